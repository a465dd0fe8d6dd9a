"""A load balancer: a TCP proxy that forwards each new connection to the next available target."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_BLOCK_BYTES = 64 * 1024


class RoundRobinProxy:
    """Takes turns, connection by connection; a target that refuses is passed over, as one that is down would be.

    Attributes:
        url: where it listens.
        taken: how many connections each target has taken.
    """

    def __init__(self, targets: Sequence[tuple[str, int]]) -> None:
        self._targets = list(targets)
        self._turns = itertools.cycle(range(len(self._targets)))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="round robin")
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._began = threading.Event()
        self._connections: set[asyncio.Task[None] | None] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.taken = [0] * len(self._targets)

    def start(self) -> None:
        """Begin to take connections, in a thread."""
        self._thread.start()
        self._began.wait()

    def stop(self) -> None:
        """End every connection, and the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, sock=self._listener)
        self._began.set()
        await self._stopped.wait()
        server.close()

    async def _serve(self, requests: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        # A stream knows its reader weakly: without this a connection that waits is garbage, and is collected.
        connection = asyncio.current_task()
        self._connections.add(connection)
        with suppress(asyncio.CancelledError):  # the proxy stops
            found = await self._dial()
            if found is not None:
                await _forward(requests, answers, *found)
        self._connections.discard(connection)
        answers.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._targets:
            turn = next(self._turns)
            with suppress(OSError):
                found = await asyncio.open_connection(*self._targets[turn])
                self.taken[turn] += 1
                return found
        return None


async def _forward(
    requests: asyncio.StreamReader,
    answers: asyncio.StreamWriter,
    from_target: asyncio.StreamReader,
    to_target: asyncio.StreamWriter,
) -> None:
    sending = asyncio.create_task(_pump(requests, to_target))
    try:
        await _pump(from_target, answers)
    finally:
        sending.cancel()
        to_target.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # either end may have gone
        while data := await source.read(_BLOCK_BYTES):
            target.write(data)
            await target.drain()
        target.write_eof()


@contextmanager
def round_robin_proxy(targets: Sequence[tuple[str, int]]) -> Iterator[RoundRobinProxy]:
    """Run a proxy in front of ``targets`` until the block ends."""
    proxy = RoundRobinProxy(targets)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
