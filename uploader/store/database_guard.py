"""Detection of a database that was replaced under a running uploader, which then accepts nothing more."""

from __future__ import annotations

import os
from pathlib import Path

from uploader.errors import ManifestLostError

_WHAT_TO_DO = (
    "uploads are refused so that none is lost: bring the right database back and restart the uploader, or stop it and "
    "run `csvpipe recover`, which rebuilds the database from the manifests next to the chunk files"
)


class DatabaseGuard:
    """Remembers which database was opened. Once it has seen a difference, it refuses until the process restarts.

    It checks SQLite's file by its name only: opening and closing it would drop SQLite's locks in this process.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._inode: tuple[int, int] | None = None
        self._size_bytes = 0
        self._database_id: str | None = None
        self._fault: str | None = None

    def watch(self, *, file: Path | None, database_id: str | None) -> None:
        """Remember the database as it is now; ``file`` is None unless it is a SQLite file."""
        self._database_id = database_id
        if file is not None:
            found = file.stat()
            self._file, self._inode, self._size_bytes = file, (found.st_dev, found.st_ino), found.st_size

    def declare_lost(self, why: str) -> None:
        """Refuse every check from now on, for the reason ``why``."""
        self._fault = self._fault or why

    def check(self) -> None:
        """Check that the database is still there (one stat, for SQLite).

        Raises:
            ManifestLostError: it is gone, or was replaced.
        """
        if self._fault is None and self._file is not None:
            self._fault = self._file_fault(self._file)
        if self._fault is not None:
            raise ManifestLostError(f"{self._fault}; {_WHAT_TO_DO}")

    def check_id(self, found: str | None) -> None:
        """Compare the current id of the database with the one it had when it was opened.

        Raises:
            ManifestLostError: they differ.
        """
        if found != self._database_id:
            self.declare_lost(
                f"the database of manifests was replaced: its id was {self._database_id} and is now {found}"
            )
        self.check()

    def _file_fault(self, file: Path) -> str | None:
        try:
            found = os.stat(file)  # noqa: PTH116  called at every transaction
        except FileNotFoundError:
            return f"the database of manifests is gone: {file} does not exist"
        if (found.st_dev, found.st_ino) != self._inode:
            return f"the database of manifests was replaced: {file} is another file"
        if found.st_size < self._size_bytes:
            # A database with a write-ahead log only grows, except by VACUUM, which requires a stopped uploader.
            return (
                f"the database of manifests was truncated: {file} had {self._size_bytes} bytes and has {found.st_size}"
            )
        self._size_bytes = found.st_size
        return None
