"""uvicorn's HTTP/1.1 protocol, with bodies that can be read from the socket straight into buffers of ours.

An ASGI body comes in messages, and each byte of it is copied five times on its way from the kernel to a buffer of the
application: by uvloop, by httptools, twice by uvicorn, and by the application. For gigabytes that costs as much as
hashing them. A request whose length is known needs none of it: until that many bytes have come, there is nothing to
parse. So the application may take the connection over for as long (``asyncio.BufferedProtocol``, which receives into
a given buffer), and gives it back to uvicorn for what follows.

A server that runs with another protocol (``uvicorn --http ...``), TLS or a chunked body does without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from uploader.errors import UploadAbortedError

_EXTENSION = "csvpipe.direct_body"
_SCRATCH_BYTES = 64 * 1024


class DirectBodyProtocol(HttpToolsProtocol):
    """Offers each request's body to the application as a :class:`DirectBody`; ``take_body`` takes it."""

    def on_headers_complete(self) -> None:
        """Start the request, with the offer in its scope."""
        super().on_headers_complete()
        length = _known_length(self.headers)
        if length and self.scheme == "http" and self.cycle is not None and self.cycle.scope is self.scope:
            body = DirectBody(http=self, cycle=self.cycle, length=length)
            self.scope.setdefault("extensions", {})[_EXTENSION] = {"body": body}

    def continue_after_body(self, cycle: RequestResponseCycle) -> None:
        """Take the connection back once the body of ``cycle`` was read past this protocol."""
        self.parser = httptools.HttpRequestParser(self)  # the old one still waits for the body
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        cycle.more_body = False
        cycle.message_event.set()
        self.transport.set_protocol(self)
        self.flow.resume_reading()

    def stay_awake(self) -> None:
        """Note that the client is not idle."""
        self._unset_keepalive_if_required()


class DirectBody(asyncio.BufferedProtocol):
    """The body of one request, once :meth:`take` was called; then :meth:`close` has to be called in the end.

    While nobody reads, the transport is paused: the client waits, and nothing piles up.
    """

    def __init__(self, *, http: DirectBodyProtocol, cycle: RequestResponseCycle, length: int) -> None:
        self._http = http
        self._cycle = cycle
        self._to_come = length
        self._early = memoryview(b"")
        self._view = memoryview(b"")
        self._filled = 0
        self._fill = False
        self._arrived: Callable[[], None] = http.stay_awake
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
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        cycle.transport.set_protocol(self)

    async def read_into(self, view: memoryview, *, fill: bool, arrived: Callable[[], None]) -> int:
        """Put the next bytes into ``view`` (see :class:`uploader.body.Body`)."""
        filled = min(len(self._early), len(view))
        view[:filled] = self._early[:filled]
        self._early = self._early[filled:]
        if not self._to_come or filled == len(view) or (filled and not fill):
            return filled
        self._check_connection()
        self._view, self._filled, self._fill, self._arrived = view, filled, fill, arrived
        self._waiter = asyncio.get_running_loop().create_future()
        self._cycle.flow.resume_reading()
        try:
            await self._waiter
        finally:
            self._waiter, self._view, self._arrived = None, memoryview(b""), self._http.stay_awake
            if self._to_come:
                self._cycle.flow.pause_reading()
        self._check_connection()
        return self._filled

    def close(self) -> None:
        """Give the connection back, at once or, where the body was not read to its end, when the rest has come."""
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
        self._arrived()
        if not self._to_come:
            self._http.continue_after_body(self._cycle)
        if self._waiter is None:
            return
        self._filled += nbytes
        if not self._fill or not self._to_come or self._filled == len(self._view):
            if self._to_come:
                self._cycle.flow.pause_reading()
            self._wake()

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

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_connection(self) -> None:
        if self._lost and self._to_come:
            raise UploadAbortedError


def take_body(scope: Mapping[str, Any]) -> DirectBody | None:
    """Take the body of the request that ``scope`` stands for, where its server offers that."""
    offer = scope.get("extensions", {}).get(_EXTENSION)
    if offer is None:
        return None
    body: DirectBody = offer["body"]
    body.take()
    return body


def _known_length(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the length that the headers tell; 0: none, or another header has a say in it."""
    found = dict(headers)
    length = found.get(b"content-length", b"")
    return int(length) if length.isdigit() and found.keys().isdisjoint({b"transfer-encoding", b"upgrade"}) else 0
