"""A fixed set of buffers between the event loop and the threads: the one bound on an upload's memory.

The loop waits for a free block, fills it and hands it to the threads; when the last of them has let go of it, it is
free again. So a slow disk slows the client down, through the socket, and nothing piles up in between. Queues behind
the pool need no bound of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock

from uploader.ingest.chunking.search import finder

DEFAULT_BLOCK_BYTES = 1024 * 1024
DEFAULT_BLOCK_COUNT = 6


class Block:
    """A buffer with a count of those who still read it."""

    __slots__ = ("_lock", "_pool", "_users", "buffer", "holds", "size", "view")

    def __init__(self, pool: BlockPool, size_bytes: int) -> None:
        self.buffer = bytearray(size_bytes)
        self.view = memoryview(self.buffer)
        self.holds = finder(self.buffer)
        self.size = 0
        self._pool = pool
        self._users = 0
        self._lock = Lock()

    @property
    def content(self) -> memoryview:
        """The bytes that were put in."""
        return self.view[: self.size]

    @property
    def room(self) -> memoryview:
        """Where more bytes can be put; they count once :meth:`extend` has said so."""
        return self.view[self.size :]

    def extend(self, size_bytes: int) -> None:
        """Count the first ``size_bytes`` of :attr:`room` as put in."""
        self.size += size_bytes

    def append(self, data: memoryview) -> int:
        """Copy in as much of ``data`` as there is room for; return how much that was."""
        taken = min(len(data), len(self.view) - self.size)
        self.view[self.size : self.size + taken] = data[:taken]
        self.size += taken
        return taken

    @property
    def full(self) -> bool:
        """Whether nothing more goes in."""
        return self.size == len(self.view)

    def hold(self) -> None:
        """Count one more reader."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Count one reader less; the last one gives the block back to the pool."""
        with self._lock:
            self._users -= 1
            free = not self._users
        if free:
            self._pool.give_back(self)


def holding(block: Block | None, job: Callable[[], None]) -> Callable[[], None]:
    """Hold ``block``, and return a job that releases it when it is done."""
    if block is None:
        return job
    block.hold()

    def work_and_release() -> None:
        job()
        block.release()

    return work_and_release


class BlockPool:
    """``count`` blocks of ``size_bytes`` each, made when first needed. One task may wait at a time."""

    def __init__(self, *, count: int = DEFAULT_BLOCK_COUNT, size_bytes: int = DEFAULT_BLOCK_BYTES) -> None:
        self._size_bytes = size_bytes
        self._unmade = count
        self._free: list[Block] = []
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._closed = False

    async def acquire(self) -> Block:
        """Return an empty block with one reader (the caller), waiting until one is free.

        Raises:
            BaseException: the failure given to :meth:`fail`.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if self._free:
                block = self._free.pop()
                break
            if self._unmade:
                self._unmade -= 1
                block = Block(self, self._size_bytes)
                break
            self._waiter = self._loop.create_future()
            await self._waiter
        block.size = 0
        block.hold()
        return block

    def give_back(self, block: Block) -> None:
        """Take a block that nobody reads any more (from any thread)."""
        self._loop.call_soon_threadsafe(self._put, block)

    def fail(self, failure: BaseException) -> None:
        """Make the waiting and every later :meth:`acquire` raise ``failure`` (from any thread)."""
        self._loop.call_soon_threadsafe(self._set_failure, failure)

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let go of the blocks: pool and blocks know each other, so they would stay until garbage is collected."""
        self._closed = True
        self._free.clear()

    def _put(self, block: Block) -> None:
        if not self._closed:
            self._free.append(block)
        self._wake()

    def _set_failure(self, failure: BaseException) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
