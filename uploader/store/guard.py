"""Notices that the database under a running uploader is not the one that it was: then nothing is taken into it."""

from __future__ import annotations

import os
from pathlib import Path

from uploader.errors import ManifestLostError

_WHAT_TO_DO = (
    "nothing is accepted, so that nothing is forgotten: bring the right database back and restart the uploader, or "
    "stop it and run `csvpipe recover`, which rebuilds the database from the manifests beside the chunk files"
)


class DatabaseGuard:
    """Remembers which database was opened. A difference, once seen, stays until the process is restarted.

    The file of SQLite is looked at by its name only: opening and closing it would drop SQLite's locks in this process.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._inode: tuple[int, int] | None = None
        self._size_bytes = 0
        self._database_id: str | None = None
        self._fault: str | None = None

    def watch(self, *, file: Path | None, database_id: str | None) -> None:
        """Remember the database as it is now; ``file`` is None where it is no SQLite file."""
        self._database_id = database_id
        if file is not None:
            found = file.stat()
            self._file, self._inode, self._size_bytes = file, (found.st_dev, found.st_ino), found.st_size

    def declare_lost(self, why: str) -> None:
        """Refuse everything from now on, for the reason ``why``."""
        self._fault = self._fault or why

    def check(self) -> None:
        """Return if the database is still there (a call of stat, for SQLite).

        Raises:
            ManifestLostError: it is not.
        """
        if self._fault is None and self._file is not None:
            self._fault = self._file_fault(self._file)
        if self._fault is not None:
            raise ManifestLostError(f"{self._fault}; {_WHAT_TO_DO}")

    def check_id(self, found: str | None) -> None:
        """Compare the id that the database has now with the one that it had.

        Raises:
            ManifestLostError: they differ.
        """
        if found != self._database_id:
            self.declare_lost(
                f"the database of manifests was exchanged: its id was {self._database_id}, and is {found}"
            )
        self.check()

    def _file_fault(self, file: Path) -> str | None:
        try:
            found = os.stat(file)  # noqa: PTH116  called at every transaction
        except FileNotFoundError:
            return f"the database of manifests is gone: there is no {file}"
        if (found.st_dev, found.st_ino) != self._inode:
            return f"the database of manifests was replaced: {file} is another file"
        if found.st_size < self._size_bytes:
            # A write-ahead log's database only grows, but for VACUUM, which is for a stopped uploader.
            return (
                f"the database of manifests was cut off: {file} had {self._size_bytes} bytes, and has {found.st_size}"
            )
        self._size_bytes = found.st_size
        return None
