"""A TCP proxy that simulates a network line: it can be cut, restored, slow, or late."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from stack.ports import free_ports

_HOST = "127.0.0.1"
_CALL_S = 30.0


class Cut(Enum):
    """How a line fails."""

    RESET = "reset"
    """Every connection ends at once, and new ones are refused. What was on its way back is lost."""
    SILENCE = "silence"
    """Nothing passes, and nobody is told. What was on its way arrives late, once the line is mended."""


class Line:
    """A line to ``target``. Its methods are for any thread; the line itself has one of its own.

    Attributes:
        address: ``host:port`` of its near end.
        port: of its near end; it stays the same.
        connections: how many were begun so far.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        (self.port,) = free_ports(1)
        self.address = f"{_HOST}:{self.port}"
        self.connections = 0
        self._target = target
        self._ends: set[_End] = set()
        self._unanswered: list[_End] = []
        self._cut: Cut | None = None
        self._planned: tuple[int, Cut] | None = None
        self._late: list[_End] = []
        self._bytes_per_s = 0
        self._began = threading.Event()
        self._dialling: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._server: asyncio.Server

    @property
    def is_cut(self) -> bool:
        """Return whether nothing passes."""
        return self._cut is not None

    @property
    def late_bytes(self) -> int:
        """Return how much the line holds back since :meth:`hold_back`."""
        return sum(len(end.late or b"") for end in self._late)

    def hold_back(self) -> None:
        """Keep what clients send on the connections that there are, also when they are gone; new ones are as ever."""
        self._do(self._hold_back_now)

    def deliver_late(self) -> None:
        """Give the service what was held back."""
        self._do(self._deliver_now)

    def cut(self, how: Cut) -> None:
        """Cut it now."""
        self._do(lambda: self._cut_now(how))

    def cut_after(self, size_bytes: int, how: Cut) -> None:
        """Cut it once so many more bytes have gone to the service: mostly in the middle of a request."""
        self._planned = (size_bytes, how)

    def slow_down(self, bytes_per_s: int) -> None:
        """Let so many bytes a second go to the service on each connection; 0: as many as there are."""
        self._bytes_per_s = bytes_per_s

    def mend(self, *, cut_after: tuple[int, Cut] | None = None) -> None:
        """Let everything pass again, and forget a cut that was planned; ``cut_after`` plans the next one before."""
        self._do(lambda: self._mend_now(cut_after))

    def start(self) -> None:
        """Begin to take connections, in a thread."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="line")
        self._thread.start()
        self._began.wait()

    def stop(self) -> None:
        """End every connection, and the thread."""
        self._do(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        await self._listen()
        self._began.set()
        await self._stopped.wait()
        self._cut_now(Cut.RESET)
        while self._ends or self._dialling:
            for end in list(self._ends):
                end.transport.abort()
            await asyncio.sleep(0)

    async def _listen(self) -> None:
        listener = socket.create_server((_HOST, self.port))
        self._server = await self._loop.create_server(lambda: _End(self), sock=listener)

    def _do(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            done = action()
            if asyncio.iscoroutine(done):
                await done

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(_CALL_S)

    def _cut_now(self, how: Cut) -> None:
        self._cut, self._planned = how, None
        if how is Cut.RESET:
            self._server.close()
        for end in list(self._ends):
            if how is Cut.RESET:
                end.break_off()
            else:
                end.hold("cut")

    def _hold_back_now(self) -> None:
        self._late = [end for end in self._ends if end.is_near and end.other is not None]
        for end in self._late:
            end.late = bytearray()

    def _deliver_now(self) -> None:
        for end in self._late:
            end.deliver()
        self._late = []

    async def _mend_now(self, planned: tuple[int, Cut] | None) -> None:
        was, self._cut, self._planned = self._cut, None, planned
        if was is Cut.RESET:
            await self._listen()
        for end in list(self._ends):
            end.let_go("cut")
        while self._unanswered:
            self._dial(self._unanswered.pop())

    def _came(self, near: _End) -> None:
        self.connections += 1
        near.hold("dialling")
        if self._cut is Cut.RESET:  # it came just before the listener closed
            near.break_off()
        elif self._cut is Cut.SILENCE:
            self._unanswered.append(near)
        else:
            self._dial(near)

    def _dial(self, near: _End) -> None:
        task = self._loop.create_task(self._connect(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _connect(self, near: _End) -> None:
        try:
            _, far = await self._loop.create_connection(lambda: _End(self, near), *self._target)
        except OSError:
            near.break_off()
            return
        near.other = far
        if self._cut is Cut.SILENCE:
            far.hold("cut")
            near.hold("cut")
        near.let_go("dialling")
        if near.transport.is_closing():
            far.transport.close()

    def _passed(self, near: _End, size_bytes: int) -> None:
        if self._bytes_per_s:
            near.hold("slow")
            self._loop.call_later(size_bytes / self._bytes_per_s, near.let_go, "slow")
        if self._planned is not None:
            left, how = self._planned
            self._planned = (left - size_bytes, how)
            if left <= size_bytes:
                self._cut_now(how)


class _End(asyncio.Protocol):
    """One end of a connection: the client's, where there is no ``other`` at first, or the service's."""

    def __init__(self, line: Line, other: _End | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport
        self._line = line
        self.is_near = other is None
        self._holds: set[str] = set()
        self.late: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._line._ends.add(self)
        if self.is_near:
            self._line._came(self)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        if self.late is None:
            self.other.transport.write(data)
        else:
            self.late += data
        if self.is_near:
            self._line._passed(self, len(data))

    def deliver(self) -> None:
        """Pass on what was held back; the end as well, where it has come."""
        assert self.other is not None
        assert self.late is not None
        self.other.transport.write(bytes(self.late))
        self.late = None
        if self.transport.is_closing():
            self.other.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._line._ends.discard(self)
        if self.other is not None and self.late is None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold("full")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.let_go("full")

    def hold(self, why: str) -> None:
        """Read no more, until every reason is gone."""
        self._holds.add(why)
        self.transport.pause_reading()

    def let_go(self, why: str) -> None:
        """Read on, if there is no other reason not to."""
        self._holds.discard(why)
        if not self._holds:
            self.transport.resume_reading()

    def break_off(self) -> None:
        """Reset the client's end; the service gets what had passed already, and then the end."""
        if self.is_near:
            endpoint = self.transport.get_extra_info("socket")
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


@contextmanager
def network_line(host: str, port: int) -> Iterator[Line]:
    """Run a line to ``host:port`` until the block ends."""
    line = Line((host, port))
    line.start()
    try:
        yield line
    finally:
        line.stop()
