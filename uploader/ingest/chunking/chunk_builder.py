"""Chunk files copied out of a file with the whole content, by two threads."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.errors import StoppedError
from uploader.ingest.chunking.chunk_cutter import ChunkBounds
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.pipeline.file_io import FILE_MODE, copy_range, hash_file, write_all

_BUILDERS = 2
FindDigest = Callable[[ChunkBounds], str | None]


class ChunkBuilder:
    """Builds, syncs and hashes the chunks of one upload. Soon after ``stopped`` is set it raises StoppedError."""

    def __init__(self, *, job: ChunkingJob, content_fd: int, stopped: threading.Event) -> None:
        self._job = job
        self._content_fd = content_fd
        self._stopped = stopped

    def build(
        self,
        bounds: list[ChunkBounds],
        prefix: bytes,
        *,
        find_digest: FindDigest | None = None,
    ) -> list[str]:
        """Build all chunks, each with the header in front, and return their hashes (blocks).

        Args:
            bounds: of the chunks.
            prefix: the header.
            find_digest: returns the hash of a chunk with its header if it is known; called in the threads. Without it,
                chunks are hashed while they are copied.

        Raises:
            StoppedError: the upload was abandoned.
            OSError: the disk has failed or is full.
        """
        paths = [self._job.chunk_path(number) for number in range(1, len(bounds) + 1)]
        with ThreadPoolExecutor(max_workers=_BUILDERS, thread_name_prefix="build") as pool:
            futures = [
                pool.submit(self._build, path, chunk, prefix, find_digest)
                for path, chunk in zip(paths, bounds, strict=True)
            ]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._stopped.set()
                raise

    def check_stopped(self) -> None:
        """Return if the upload is still wanted.

        Raises:
            StoppedError: it was abandoned.
        """
        if self._stopped.is_set():
            raise StoppedError

    def _build(self, path: Path, chunk: ChunkBounds, prefix: bytes, find_digest: FindDigest | None) -> str:
        self.check_stopped()
        self._job.check_space(len(prefix) + chunk.end.offset - chunk.start.offset)
        digest = hashlib.sha256(prefix)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(fd, prefix)
            copy_range(
                self._content_fd,
                fd,
                start=chunk.start.offset,
                end=chunk.end.offset,
                digest=digest if find_digest is None else None,
            )
            os.fsync(fd)
        finally:
            os.close(fd)
        if find_digest is None:
            return digest.hexdigest()
        return find_digest(chunk) or hash_file(path)
