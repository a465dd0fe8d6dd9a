"""A file that holds some megabytes back, so that a disk that is full to the last byte can be cleaned.

SQLite cannot even mark a chunk as cleaned, or an upload as deleted, where nothing can be written. What makes room may
spend the ballast: the file is removed, and made again when there is room.
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


class Ballast:
    """The file at ``path``; None, or a size of 0: there is none, as the database lies elsewhere. All calls block."""

    def __init__(self, path: Path | None = None, *, size_bytes: int = 0) -> None:
        self._path = path if size_bytes else None
        self._size_bytes = size_bytes

    def fill(self) -> None:
        """Make the file where it is missing and the disk has room for twice its size."""
        if self._path is None or self._is_there(self._path):
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
            _log.warning("No ballast of %d bytes can be made at %s: %s", self._size_bytes, self._path, error.strerror)
            with suppress(OSError):
                self._path.unlink()

    def drop(self) -> bool:
        """Remove the file; return whether that gave room."""
        if self._path is None:
            return False
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        _log.warning("The disk is full: %d bytes of ballast are given up so that it can be cleaned", self._size_bytes)
        return True

    def spend_on(self, work: Callable[[], _T]) -> _T:
        """Do ``work``, which makes room, and where the database has none for it, once more without the ballast.

        Raises:
            DatabaseFullError: there is no ballast left.
        """
        try:
            return work()
        except DatabaseFullError:
            if not self.drop():
                raise
        return work()

    def _is_there(self, path: Path) -> bool:
        """Return whether the file is there in its size, and not the beginning that a crash has left."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return found.st_blocks * 512 >= self._size_bytes
