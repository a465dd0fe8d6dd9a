"""A request body read from the socket directly into buffers of the caller, past ASGI.

See ``docs/adr/0013-read-bodies-past-asgi.md``. It is offered by
:class:`uploader.http.direct_body_protocol.DirectBodyProtocol`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from uploader.errors import UploadAbortedError

EXTENSION = "csvpipe.direct_body"
_SCRATCH_BYTES = 64 * 1024


class Connection(Protocol):
    """The protocol that handles the connection before and after the body."""

    transport: asyncio.Transport

    def continue_after_body(self, cycle: RequestResponseCycle) -> None:
        """Take the connection back after the body of ``cycle`` was read."""

    def count_body(self, size_bytes: int) -> None:
        """Count received bytes of the body."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.BaseProtocol`."""

    def eof_received(self) -> bool | None:
        """See :class:`asyncio.Protocol`."""

    def pause_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""

    def resume_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""


class DirectBody(asyncio.BufferedProtocol):
    """The body of one request. After :meth:`take_over`, :meth:`close` must be called in the end.

    Between reads the transport is paused: the client waits, and nothing piles up.
    """

    def __init__(self, *, http: Connection, cycle: RequestResponseCycle, length: int) -> None:
        self._http = http
        self._cycle = cycle
        self._to_come = length
        self._early = memoryview(b"")
        self._view = memoryview(b"")
        self._filled = 0
        self._fill = False
        self._on_bytes: Callable[[int], None] = _ignore
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False

    def take_over(self) -> None:
        """Take the connection over. Bytes that uvicorn has already received come first."""
        cycle = self._cycle
        cycle.flow.pause_reading()
        self._lost = cycle.disconnected
        self._early = memoryview(bytes(cycle.body))
        cycle.body = bytearray()
        self._to_come -= len(self._early)
        if not self._to_come or self._lost:
            return
        cycle.message_event.clear()
        self._http.transport.set_protocol(self)

    async def read_into(self, view: memoryview, *, fill: bool, on_bytes: Callable[[int], None]) -> int:
        """Read the next bytes into ``view`` (see :class:`uploader.http.request_body.Body`)."""
        filled = min(len(self._early), len(view))
        view[:filled] = self._early[:filled]
        self._early = self._early[filled:]
        if filled:
            on_bytes(filled)
        if not self._to_come or filled == len(view) or (filled and not fill):
            return filled
        self._check_connection()
        self._send_continue()
        self._view, self._filled, self._fill, self._on_bytes = view, filled, fill, on_bytes
        self._waiter = asyncio.get_running_loop().create_future()
        self._cycle.flow.resume_reading()
        try:
            await self._waiter
        finally:
            self._waiter, self._view, self._on_bytes = None, memoryview(b""), _ignore
            if self._to_come:
                self._cycle.flow.pause_reading()
        self._check_connection()
        return self._filled

    def close(self) -> None:
        """Give the connection back, as soon as the rest of the body has been received and discarded."""
        if self._to_come and not self._lost:
            self._cycle.flow.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's
        """Return the buffer for the next bytes, which are discarded if no read is waiting."""
        if self._waiter is None:
            return memoryview(bytearray(min(_SCRATCH_BYTES, self._to_come)))
        return self._view[self._filled : self._filled + self._to_come]

    def buffer_updated(self, nbytes: int) -> None:
        """Count ``nbytes`` received bytes, and end the read if it is complete."""
        self._to_come -= nbytes
        self._on_bytes(nbytes)
        self._http.count_body(nbytes)
        if not self._to_come:
            self._http.continue_after_body(self._cycle)
        if self._waiter is None:
            return
        self._filled += nbytes
        if not self._fill or not self._to_come or self._filled == len(self._view):
            if self._to_come:
                self._cycle.flow.pause_reading()
            self._wake()

    def eof_received(self) -> bool | None:
        """Let the connection be closed: the body is incomplete."""
        return self._http.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the reader, and tell uvicorn."""
        self._lost = True
        self._http.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""
        self._http.resume_writing()

    def _send_continue(self) -> None:
        if self._cycle.waiting_for_100_continue:
            self._cycle.waiting_for_100_continue = False
            self._http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_connection(self) -> None:
        if self._lost and self._to_come:
            raise UploadAbortedError


def take_direct_body(scope: Mapping[str, Any]) -> DirectBody | None:
    """Take over the body of the request of ``scope``, or return None if its server does not offer that."""
    offer = scope.get("extensions", {}).get(EXTENSION)
    if offer is None or "body" not in offer:
        return None
    body: DirectBody = offer["body"]
    body.take_over()
    return body


def _ignore(size_bytes: int) -> None:
    """Do nothing: no read is waiting."""
