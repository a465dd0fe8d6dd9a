"""A fixed set of buffers shared by the event loop and the threads: the one bound on an upload's memory.

The loop waits for a free block, fills it and hands it to the threads. The block is free again when the last thread has
released it. A slow disk therefore slows the client down through the socket, and nothing piles up in between. Queues
after the pool need no bound of their own.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from threading import Lock

from uploader.ingest.pipeline.buffer_search import contains_function

DEFAULT_BLOCK_BYTES = 1024 * 1024
DEFAULT_BLOCK_COUNT = 6
_SPARE_BUFFERS = 2 * DEFAULT_BLOCK_COUNT
"""How many buffers a process keeps for the next uploads."""


class Buffer:
    """The memory of a block."""

    __slots__ = ("contains", "data", "view")

    def __init__(self, size_bytes: int) -> None:
        self.data = bytearray(size_bytes)
        self.view = memoryview(self.data)
        self.contains = contains_function(self.data)


class SpareBuffers:
    """Buffers that uploads are done with. The kernel takes as long to provide new memory as a socket to fill it."""

    def __init__(self, *, most: int) -> None:
        self._buffers: deque[Buffer] = deque(maxlen=most)

    def take(self, size_bytes: int) -> Buffer:
        """Return a buffer of ``size_bytes`` with any content."""
        while self._buffers:
            buffer = self._buffers.pop()
            if len(buffer.view) == size_bytes:
                return buffer
        return Buffer(size_bytes)

    def give(self, buffer: Buffer) -> None:
        """Take a buffer that nobody reads or writes any more."""
        self._buffers.append(buffer)


_spare_buffers = SpareBuffers(most=_SPARE_BUFFERS)


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

    __slots__ = ("_buffer", "_pool", "contains", "data", "size", "view")

    def __init__(self, pool: BlockPool, buffer: Buffer) -> None:
        super().__init__(users=0)
        self._pool = pool
        self._buffer = buffer
        self.data = buffer.data
        self.view = buffer.view
        self.contains = buffer.contains
        self.size = 0

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

    def end(self) -> None:
        """Leave the buffer to another upload: this block is not used again."""
        _spare_buffers.give(self._buffer)


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
    """``count`` blocks of ``size_bytes`` each, provided on first use. One task may wait at a time."""

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
                block = Block(self, _spare_buffers.take(self._size_bytes))
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
        for block in self._free:
            block.end()
        self._free.clear()

    def _put(self, block: Block) -> None:
        if self._closed:
            block.end()
        else:
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
