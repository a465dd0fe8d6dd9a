"""A request body that is read from the socket straight into buffers of ours, past ASGI.

See ``docs/adr/0013-read-bodies-past-asgi.md``. :class:`uploader.http.protocol.DirectBodyProtocol` makes the offer.
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
    """The protocol that has the connection before and after the body."""

    transport: asyncio.Transport

    def continue_after_body(self, cycle: RequestResponseCycle) -> None:
        """Take the connection back once the body of ``cycle`` was read."""

    def count_body(self, size_bytes: int) -> None:
        """Count bytes of the body that have come."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.BaseProtocol`."""

    def eof_received(self) -> bool | None:
        """See :class:`asyncio.Protocol`."""

    def pause_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""

    def resume_writing(self) -> None:
        """See :class:`asyncio.BaseProtocol`."""


class DirectBody(asyncio.BufferedProtocol):
    """The body of one request, once :meth:`take` was called; then :meth:`close` has to be called in the end.

    While nobody reads, the transport is paused: the client waits, and nothing piles up.
    """

    def __init__(self, *, http: Connection, cycle: RequestResponseCycle, length: int) -> None:
        self._http = http
        self._cycle = cycle
        self._to_come = length
        self._early = memoryview(b"")
        self._view = memoryview(b"")
        self._filled = 0
        self._fill = False
        self._arrived: Callable[[int], None] = _nobody
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False

    def take(self) -> None:
        """Take the connection over. What uvicorn has received so far comes first."""
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

    async def read_into(self, view: memoryview, *, fill: bool, arrived: Callable[[int], None]) -> int:
        """Put the next bytes into ``view`` (see :class:`uploader.http.body.Body`)."""
        filled = min(len(self._early), len(view))
        view[:filled] = self._early[:filled]
        self._early = self._early[filled:]
        if filled:
            arrived(filled)
        if not self._to_come or filled == len(view) or (filled and not fill):
            return filled
        self._check_connection()
        self._ask_for_it()
        self._view, self._filled, self._fill, self._arrived = view, filled, fill, arrived
        self._waiter = asyncio.get_running_loop().create_future()
        self._cycle.flow.resume_reading()
        try:
            await self._waiter
        finally:
            self._waiter, self._view, self._arrived = None, memoryview(b""), _nobody
            if self._to_come:
                self._cycle.flow.pause_reading()
        self._check_connection()
        return self._filled

    def close(self) -> None:
        """Give the connection back, at once or, if the body was not read to its end, when the rest has come."""
        if self._to_come and not self._lost:
            self._cycle.flow.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's
        """Return where the next bytes go: what nobody reads any more is dropped."""
        if self._waiter is None:
            return memoryview(bytearray(min(_SCRATCH_BYTES, self._to_come)))
        return self._view[self._filled : self._filled + self._to_come]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that ``nbytes`` have come."""
        self._to_come -= nbytes
        self._arrived(nbytes)
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
        """Let the connection be closed: the body is not complete."""
        return self._http.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the reader, and uvicorn."""
        self._lost = True
        self._http.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._http.resume_writing()

    def _ask_for_it(self) -> None:
        if self._cycle.waiting_for_100_continue:
            self._cycle.waiting_for_100_continue = False
            self._http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_connection(self) -> None:
        if self._lost and self._to_come:
            raise UploadAbortedError


def take_body(scope: Mapping[str, Any]) -> DirectBody | None:
    """Take the body of the request that ``scope`` stands for, if its server offers that."""
    offer = scope.get("extensions", {}).get(EXTENSION)
    if offer is None or "body" not in offer:
        return None
    body: DirectBody = offer["body"]
    body.take()
    return body


def _nobody(size_bytes: int) -> None:
    """Nobody waits for what has come."""
