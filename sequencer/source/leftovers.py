"""Skips the files that other tools leave next to their data in a prefix or a directory."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)
_MOST_NAMES = 20
_HIDDEN = ("_", ".")
"""Hidden by the rule of Hadoop, Spark and Hive: ``_SUCCESS``, ``_temporary/``, ``.part-0.csv.crc``."""
_ENDINGS = (
    *("_$folder$", "._copying_", ".csv.metadata"),  # Hadoop's folders and unfinished copies, Athena's types
    *(".crc", ".md5", ".sha1", ".sha256", ".sha512"),
)
_NAMES = frozenset({"thumbs.db", "desktop.ini"})


class Leftovers:
    """Collects the files of one prefix or directory that are skipped.

    A file that is given by its own name is always read.

    Args:
        where: the prefix or directory.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._skipped: list[str] = []

    def admits(self, path: str, size_bytes: int) -> bool:
        """Return whether the file is read; ``path`` is its name below the prefix or directory."""
        if path.endswith("/") or not path:  # consoles create such objects to show a folder
            return False
        if is_leftover(path):
            self._skipped.append(repr(path))
            return False
        return self.is_filled(path, filled=size_bytes > 0)

    def is_filled(self, path: str, *, filled: bool) -> bool:
        """Return ``filled``; a file without content is skipped."""
        if not filled:
            self._skipped.append(f"{path!r} (empty)")
        return filled

    def log(self) -> None:
        """Log the skipped files."""
        if self._skipped:
            _log.warning(
                "Skipped files that are hidden, empty or left by other tools; give a file by its own name to read it",
                extra={"path": self._where, "skipped": len(self._skipped), "names": self._names()},
            )

    def nothing_left(self, what: str) -> str:
        """Return the reason why there is nothing to read."""
        if not self._skipped:
            return f"there are no {what} below it"
        return (
            f"there is nothing to read: all {len(self._skipped)} {what} are hidden, empty, or left by other tools next "
            f"to their data ({self._names()}). A file that is given by its own name is read"
        )

    def _names(self) -> str:
        more = len(self._skipped) - _MOST_NAMES
        return ", ".join(self._skipped[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def is_leftover(path: str) -> bool:
    """Return whether a file, by its name or that of a folder in its path, is not data."""
    name = path.rpartition("/")[2].lower()
    return any(part.startswith(_HIDDEN) for part in path.split("/")) or name.endswith(_ENDINGS) or name in _NAMES
