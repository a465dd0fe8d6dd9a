"""Chunk files on disk: written, or copied from a spool inside the kernel, and made durable off the hot path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import BoundedSemaphore

from uploader.ingest.chunking.worker import Worker

_WRITEBACK_BYTES = 32 * 1024 * 1024
_MAX_UNSYNCED_FILES = 32
FILE_MODE = 0o600


class Syncer:
    """Makes files durable on a thread of its own, while the next ones are being written.

    After a failure it goes on closing files, as whoever writes them may wait for that.
    """

    def __init__(self, *, on_failure: Callable[[BaseException], None]) -> None:
        self._worker = Worker(name="fsync", on_failure=on_failure)
        self._on_failure = on_failure
        self._failed = False
        self._unsynced = BoundedSemaphore(_MAX_UNSYNCED_FILES)
        self._busy = False

    def start_writeback(self, fd: int) -> None:
        """Have what was written so far on its way to the disk, unless the disk is behind anyway."""
        if not self._busy:
            self._busy = True
            own_fd = os.dup(fd)
            self._worker.submit(lambda: self._flush(own_fd))

    def close(self, fd: int) -> None:
        """Fsync ``fd`` and close it. Waits only where far too many files are unsynced."""
        self._unsynced.acquire()
        self._worker.submit(lambda: self._finish_file(fd))

    async def finish(self) -> None:
        """Wait until everything is durable and closed."""
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
    """A new file that is written from start to end."""

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
        """Close it as it is."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: one call writes 2 GiB at most, and less on a disk that is nearly full."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_range(source_fd: int, target_fd: int, *, start: int, end: int) -> None:
    """Append ``source[start:end]`` to ``target`` without bringing it into this process.

    Raises:
        OSError: the copy failed, or the source is shorter than ``end``.
    """
    while start < end:
        copied = os.copy_file_range(source_fd, target_fd, end - start, start)
        if not copied:
            raise OSError(f"the spool ends at byte {start}, {end - start} bytes early")
        start += copied


def read_blocks(fd: int, buffer: memoryview, *, start: int = 0) -> Iterator[memoryview]:
    """Yield what ``fd`` holds from ``start`` on, block by block; each view is good until the next one."""
    while size := os.preadv(fd, [buffer], start):
        yield buffer[:size]
        start += size


def hash_file(path: Path) -> str:
    """Return the SHA-256 of what lies on the disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
