"""Chunk files written front to back, and made durable off the hot path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore

from uploader.ingest.pipeline.file_io import FILE_MODE, write_all
from uploader.ingest.pipeline.worker import Worker

_WRITEBACK_BYTES = 32 * 1024 * 1024
_MAX_UNSYNCED_FILES = 32


class Syncer:
    """Makes files durable in its own thread while the next ones are being written.

    After a failure it continues to close files, because writers may wait for that.
    """

    def __init__(self, *, on_failure: Callable[[BaseException], None]) -> None:
        self._worker = Worker(name="fsync", on_failure=on_failure)
        self._on_failure = on_failure
        self._failed = False
        self._unsynced = BoundedSemaphore(_MAX_UNSYNCED_FILES)
        self._busy = False

    def start_writeback(self, fd: int) -> None:
        """Start writing the data of ``fd`` to disk, unless an earlier writeback is still running."""
        if not self._busy:
            self._busy = True
            own_fd = os.dup(fd)
            self._worker.submit(lambda: self._flush(own_fd))

    def close(self, fd: int) -> None:
        """Fsync ``fd`` and close it. Waits only if too many files are unsynced."""
        self._unsynced.acquire()
        self._worker.submit(lambda: self._finish_file(fd))

    async def finish(self) -> None:
        """Wait until all files are durable and closed."""
        await self._worker.join()

    def _flush(self, fd: int) -> None:
        try:
            self._sync_and_close(os.fdatasync, fd)
        finally:
            self._busy = False

    def _finish_file(self, fd: int) -> None:
        try:
            self._sync_and_close(os.fsync, fd)
        finally:
            self._unsynced.release()

    def _sync_and_close(self, sync: Callable[[int], None], fd: int) -> None:
        if not self._failed:
            self._attempt(sync, fd)
        self._attempt(os.close, fd)

    def _attempt(self, call: Callable[[int], None], fd: int) -> None:
        try:
            call(fd)
        except OSError as failure:
            self._failed = True
            self._on_failure(failure)


class GrowingFile:
    """A new file that is written front to back."""

    def __init__(self, path: Path, *, syncer: Syncer) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        self._syncer = syncer
        self._unflushed_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append all of ``data``."""
        write_all(self._fd, data)
        self._unflushed_bytes += len(data)
        if self._unflushed_bytes >= _WRITEBACK_BYTES:
            self._unflushed_bytes = 0
            self._syncer.start_writeback(self._fd)

    def close(self) -> None:
        """Hand the file to the syncer, which makes it durable and closes it."""
        fd, self._fd = self._fd, -1
        self._syncer.close(fd)

    def abandon(self) -> None:
        """Close the file without syncing it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
