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

    def __init__(self, targets: Sequence[tuple[str, int]], *, port: int = 0) -> None:
        self._targets = list(targets)
        self._turns = itertools.cycle(range(len(self._targets)))
        self._taken_out: set[int] = set()
        self._carried: list[set[asyncio.Task[None]]] = [set() for _ in self._targets]
        self._listener = socket.create_server(("127.0.0.1", port))
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

    def take_out(self, target: int) -> None:
        """Give a target no other connection, and wait until the last one ends, as before the restart of a server."""
        asyncio.run_coroutine_threadsafe(self._drain(target), self._loop).result()

    def put_back(self, target: int) -> None:
        """Give a target connections again."""
        self._loop.call_soon_threadsafe(self._taken_out.discard, target)

    async def _drain(self, target: int) -> None:
        self._taken_out.add(target)
        if self._carried[target]:
            await asyncio.wait(self._carried[target])

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
            for target in itertools.islice(self._turns, len(self._targets)):
                if target not in self._taken_out and await self._carry(target, requests, answers):
                    break
        self._connections.discard(connection)
        answers.close()

    async def _carry(self, target: int, requests: asyncio.StreamReader, answers: asyncio.StreamWriter) -> bool:
        """Forward the connection until it ends. Return whether the target has taken it."""
        connection = asyncio.current_task()
        assert connection is not None
        self._carried[target].add(connection)
        try:
            found = await asyncio.open_connection(*self._targets[target])
        except OSError:
            return False
        else:
            self.taken[target] += 1
            await _forward(requests, answers, *found)
            return True
        finally:
            self._carried[target].discard(connection)


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
def round_robin_proxy(targets: Sequence[tuple[str, int]], *, port: int = 0) -> Iterator[RoundRobinProxy]:
    """Run a proxy in front of ``targets`` until the block ends, on a free port unless one is given."""
    proxy = RoundRobinProxy(targets, port=port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
