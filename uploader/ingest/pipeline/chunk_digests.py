"""SHA-256 of every chunk and of the whole content, computed in threads (hashlib releases the GIL)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future

from uploader.ingest.pipeline.blocks import Held, hold_during
from uploader.ingest.pipeline.worker import Worker


class ChunkDigests:
    """Hashes one chunk after the other, and the content that they make up.

    Chunk 1 is the start of the content, so the hash of the content continues from a copy of chunk 1's: a file of one
    chunk is hashed once, a file of n chunks ``2 - 1/n`` times. Chunks are hashed by ``chunk_worker``, which has just
    written them.
    """

    def __init__(self, *, chunk_worker: Worker, on_failure: Callable[[BaseException], None]) -> None:
        self._chunk_worker = chunk_worker
        self._content_worker = Worker(name="digest-content", on_failure=on_failure)
        self._chunk = hashlib.sha256()
        self._content = hashlib.sha256()
        self._first: Future[None] = Future()
        self._chunk_id = 0
        self.chunk_sha256: list[str] = []

    def begin(self, prefix: bytes) -> None:
        """Start the next chunk, whose file starts with ``prefix``."""
        self._chunk_id += 1
        if self._chunk_id == 2:
            self._content_worker.submit(self._first.result)
        self._chunk_worker.submit(lambda: self._begin(prefix))

    def update(self, data: memoryview, block: Held | None) -> None:
        """Add body bytes; ``block`` is held until they have been hashed."""
        self._chunk_worker.submit(hold_during(block, lambda: self._chunk.update(data)))
        if self._chunk_id > 1:
            self._content_worker.submit(hold_during(block, lambda: self._content.update(data)))

    def end(self) -> None:
        """Finish the chunk."""
        self._chunk_worker.submit(self._end)

    async def finish(self) -> str:
        """Wait for both workers and return the hash of the content; ``chunk_sha256`` is then complete.

        If a worker has failed (``on_failure`` was called), the hashes are meaningless.
        """
        await self._join()
        return self._content.hexdigest()

    async def drop(self) -> None:
        """Drop queued work and end the threads."""
        self._chunk_worker.drop()
        self._content_worker.drop()
        await self._join()

    async def _join(self) -> None:
        await self._chunk_worker.join()
        if not self._first.done():  # the worker has failed: the hash is not needed, but its thread is waiting
            self._first.set_result(None)
        await self._content_worker.join()

    def _begin(self, prefix: bytes) -> None:
        self._chunk = hashlib.sha256(prefix)

    def _end(self) -> None:
        self.chunk_sha256.append(self._chunk.hexdigest())
        if not self._first.done():
            self._content = self._chunk.copy()
            self._first.set_result(None)
