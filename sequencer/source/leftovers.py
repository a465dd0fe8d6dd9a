"""What other tools leave in a prefix or a directory beside their data: it is not read, and the log names it."""

from __future__ import annotations

import logging

from contracts.counts import counted

_log = logging.getLogger(__name__)
_MOST_NAMES = 20
_HIDDEN = ("_", ".")
"""As Hadoop, Spark and Hive have it: ``_SUCCESS``, ``_temporary/``, ``.part-0.csv.crc``."""
_ENDINGS = (
    *("_$folder$", "._copying_", ".csv.metadata"),  # Hadoop's folders and copies under way, Athena's types
    *(".crc", ".md5", ".sha1", ".sha256", ".sha512"),
)
_NAMES = frozenset({"thumbs.db", "desktop.ini"})


class Leftovers:
    """Takes the files of one prefix or directory that are not read.

    A file that is given by its name is not asked for: it is read whatever it is.

    Args:
        where: the prefix or directory.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._taken: list[str] = []

    def admits(self, path: str, size_bytes: int) -> bool:
        """Tell whether the file is read; ``path`` is its name below the prefix or directory."""
        if path.endswith("/") or not path:  # what consoles make to show a folder
            return False
        if is_leftover(path):
            self._taken.append(repr(path))
            return False
        return self.is_filled(path, filled=size_bytes > 0)

    def is_filled(self, path: str, *, filled: bool) -> bool:
        """Return ``filled``; a file without content is taken."""
        if not filled:
            self._taken.append(f"{path!r} (empty)")
        return filled

    def say(self) -> None:
        """Log what was taken."""
        if self._taken:
            _log.warning(
                "%s: not read are %s, being hidden, empty, or what other tools leave beside their data: %s. "
                "A file that is given by its own name is read",
                self._where,
                counted(len(self._taken), "file"),
                self._names(),
            )

    def nothing_left(self, what: str) -> str:
        """Return why there is nothing to read."""
        if not self._taken:
            return f"there are no {what} below it"
        return (
            f"there is nothing to read: all {len(self._taken)} {what} are hidden, empty, or what other tools leave "
            f"beside their data ({self._names()}). A file that is given by its own name is read"
        )

    def _names(self) -> str:
        more = len(self._taken) - _MOST_NAMES
        return ", ".join(self._taken[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def is_leftover(path: str) -> bool:
    """Tell whether a file is, by its name, none of the data: each folder on the way to it counts."""
    name = path.rpartition("/")[2].lower()
    return any(part.startswith(_HIDDEN) for part in path.split("/")) or name.endswith(_ENDINGS) or name in _NAMES
