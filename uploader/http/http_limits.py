"""What one HTTP connection may cost, in bytes and in seconds."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from uploader.settings import UPLOAD_WINDOW_S, Settings

_STATE_KEY = "http_limits"
_HANDLES_PER_CONNECTION = 2
"""Its socket, and the chunk file that it downloads."""
_HANDLES_PER_UPLOAD = 6
"""Lock, spool file, chunk files being written, directories being synced."""
_RESERVED_HANDLES = 64
"""Listener, database, Kafka, log, threads of the event loop."""
_MIN_CONNECTIONS = 8


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """The limits of :class:`uploader.http.direct_body_protocol.DirectBodyProtocol`, passed in the lifespan state."""

    head_bytes: int = 16 * 1024
    """Request line and headers; also all trailers of a chunked body."""
    url_bytes: int = 8 * 1024
    request_timeout_s: float = 15.0
    """From the connection, or the first byte of a later request, to the end of the head."""
    keep_alive_s: float = 75.0
    send_timeout_s: float = 60.0
    """How long a client may read nothing of a response."""
    stalled_s: float = 5.0
    """How long a client must have read nothing of a response to be closed for another connection, if all are busy."""
    linger_s: float = 10.0
    linger_bytes: int = 1024 * 1024
    """How long, and how much of what a refused client still sends, is discarded so that it can read the response."""
    linger_quiet_s: float = 1.0
    """With TLS, whose connections are not closed for one direction only: the end of it after this time of silence."""
    drain_window_s: float = UPLOAD_WINDOW_S
    drain_least_bytes: int = 1
    """What a client must send in each window while the rest of an answered upload is discarded."""
    max_connections: int = 2_500

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the limits in ``settings``, with no more connections than the limit of open files allows."""
        return cls(
            request_timeout_s=settings.request_timeout_s,
            keep_alive_s=settings.keep_alive_s,
            send_timeout_s=settings.send_timeout_s,
            drain_least_bytes=settings.min_upload_window_bytes,
            max_connections=min(settings.max_connections, _connections_allowed(settings)),
        )

    @classmethod
    def from_state(cls, app_state: Mapping[str, Any]) -> Self:
        """Return the limits from the application's lifespan state, or the defaults."""
        found = app_state.get(_STATE_KEY)
        return found if isinstance(found, cls) else cls()

    def as_state(self) -> dict[str, object]:
        """Return the lifespan state that :meth:`from_state` reads."""
        return {_STATE_KEY: self}


def _connections_allowed(settings: Settings) -> int:
    """Return how many connections the limit of open files allows besides uploads and everything else."""
    handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if handles == resource.RLIM_INFINITY:
        return settings.max_connections
    left = handles - _RESERVED_HANDLES - _HANDLES_PER_UPLOAD * settings.max_concurrent_uploads
    return max(_MIN_CONNECTIONS, left // _HANDLES_PER_CONNECTION)
