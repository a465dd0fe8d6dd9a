"""A file that reserves disk space, so that a completely full disk can still be cleaned.

SQLite cannot even mark a chunk as cleaned, or an upload as deleted, if nothing can be written. Work that frees space
may use the ballast: the file is removed, and created again when there is room.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from uploader.errors import DatabaseFullError

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class BallastFile:
    """The file at ``path``; there is none if ``path`` is None or the size is 0. All calls block."""

    def __init__(self, path: Path | None = None, *, size_bytes: int = 0) -> None:
        self._path = path if size_bytes else None
        self._size_bytes = size_bytes

    def create(self) -> None:
        """Create the file if it is missing and the disk has room for twice its size."""
        if self._path is None or self._is_complete(self._path):
            return
        if shutil.disk_usage(self._path.parent).free < 2 * self._size_bytes:
            return
        try:
            fd = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size_bytes)
            finally:
                os.close(fd)
        except OSError as error:
            _log.warning(
                "Ballast file cannot be created",
                extra={"path": str(self._path), "size_bytes": self._size_bytes, "error": error.strerror},
            )
            with suppress(OSError):
                self._path.unlink()

    def remove(self) -> bool:
        """Remove the file; return whether that freed space."""
        if self._path is None:
            return False
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        _log.warning(
            "Disk is full; ballast file removed so that it can be cleaned",
            extra={"path": str(self._path), "size_bytes": self._size_bytes},
        )
        return True

    def run_or_remove(self, work: Callable[[], _T]) -> _T:
        """Run ``work``, which frees space; if the database has no room for it, remove the ballast and run it again.

        Raises:
            DatabaseFullError: there is no ballast left.
        """
        try:
            return work()
        except DatabaseFullError:
            if not self.remove():
                raise
        return work()

    def _is_complete(self, path: Path) -> bool:
        """Return whether the file has its full size (a crash may have left a part of it)."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return found.st_blocks * 512 >= self._size_bytes
