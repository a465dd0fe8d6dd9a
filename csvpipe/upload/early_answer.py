"""A response that arrives before the body of its request was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpcore


class EarlyAnswer:
    """Watches the connection of requests for an answer, through the ``trace`` extension of httpcore.

    One connection is used for one request after the other, so the same object goes with all of them.
    """

    def __init__(self) -> None:
        self._stream: Any = None

    def trace_short(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the stream that httpcore opens for a request without a body.

        With TLS 1.3 a connection is readable after its handshake without an answer: the server sends session tickets.
        The answer of another request comes after them, so that what follows on the same connection is an answer.
        """
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]

    def trace_long(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the stream that httpcore opens for the request with the body, unless it is a new one with TLS."""
        if event.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
        elif event.endswith("start_tls.complete"):
            self._stream = None

    def check(self) -> None:
        """Stop sending if the uploader has answered already: with gigabytes to go, that answer is a refusal.

        httpcore takes a write error as the sign to stop sending and to read the answer that is there.
        """
        if self._stream is not None and self._stream.get_extra_info("is_readable"):
            raise httpcore.WriteError("answered before the end of the body")
