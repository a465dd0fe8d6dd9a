"""A fixed set of buffers shared by the event loop and the threads: the one bound on an upload's memory.

The loop waits for a free block, fills it and hands it to the threads. The block is free again when the last thread has
released it. A slow disk therefore slows the client down through the socket, and nothing piles up in between. Queues
after the pool need no bound of their own.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock

from uploader.ingest.pipeline.buffer_search import contains_function

DEFAULT_BLOCK_BYTES = 1024 * 1024
DEFAULT_BLOCK_COUNT = 6


class Held(ABC):
    """Keeps content unchanged while it has readers, and counts them."""

    __slots__ = ("_lock", "_users")

    def __init__(self, *, users: int) -> None:
        self._users = users
        self._lock = Lock()

    def hold(self) -> None:
        """Add a reader."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Remove a reader; after the last one, the content may change."""
        with self._lock:
            self._users -= 1
            free = not self._users
        if free:
            self._give_back()

    @abstractmethod
    def _give_back(self) -> None:
        """Make room for other content: there are no readers left."""


class Block(Held):
    """A buffer with a reference count; the last reader returns it to its pool."""

    __slots__ = ("_pool", "buffer", "contains", "size", "view")

    def __init__(self, pool: BlockPool, size_bytes: int) -> None:
        super().__init__(users=0)
        self.buffer = bytearray(size_bytes)
        self.view = memoryview(self.buffer)
        self.contains = contains_function(self.buffer)
        self.size = 0
        self._pool = pool

    @property
    def content(self) -> memoryview:
        """The filled part of the buffer."""
        return self.view[: self.size]

    @property
    def room(self) -> memoryview:
        """The unfilled part of the buffer; call :meth:`extend` after writing to it."""
        return self.view[self.size :]

    def extend(self, size_bytes: int) -> None:
        """Count the first ``size_bytes`` of :attr:`room` as filled."""
        self.size += size_bytes

    def append(self, data: memoryview) -> int:
        """Copy as much of ``data`` as fits, and return the number of bytes copied."""
        copied = min(len(data), len(self.view) - self.size)
        self.view[self.size : self.size + copied] = data[:copied]
        self.size += copied
        return copied

    @property
    def is_full(self) -> bool:
        """Whether the whole buffer is filled."""
        return self.size == len(self.view)

    def _give_back(self) -> None:
        self._pool.release_block(self)


def hold_during(block: Held | None, job: Callable[[], None]) -> Callable[[], None]:
    """Hold ``block`` and return a job that releases it when done."""
    if block is None:
        return job
    block.hold()

    def run_and_release() -> None:
        job()
        block.release()

    return run_and_release


class BlockPool:
    """``count`` blocks of ``size_bytes`` each, allocated on first use. One task may wait at a time."""

    def __init__(self, *, count: int = DEFAULT_BLOCK_COUNT, size_bytes: int = DEFAULT_BLOCK_BYTES) -> None:
        self._size_bytes = size_bytes
        self._unallocated = count
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
            if self._unallocated:
                self._unallocated -= 1
                block = Block(self, self._size_bytes)
                break
            self._waiter = self._loop.create_future()
            await self._waiter
        block.size = 0
        block.hold()
        return block

    def release_block(self, block: Block) -> None:
        """Return a block that has no readers left (from any thread)."""
        self._loop.call_soon_threadsafe(self._put, block)

    def fail(self, failure: BaseException) -> None:
        """Make the waiting and every later :meth:`acquire` raise ``failure`` (from any thread)."""
        self._loop.call_soon_threadsafe(self._set_failure, failure)

    @property
    def failure(self) -> BaseException | None:
        """What :meth:`fail` was called with first."""
        return self._failure

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Drop the blocks. Pool and blocks refer to each other, so they would stay until garbage collection."""
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
