"""Patterns of dataset names: a name, in which ``*`` stands for any characters.

They have the form of :data:`contracts.names.DATASETS_PATTERN`, in which nothing else is special for fnmatch.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

ALL_DATASETS = "*"


def matches(patterns: Iterable[str], dataset: str) -> bool:
    """Return whether ``dataset`` matches one of ``patterns``, upper and lower case being different."""
    return any(fnmatchcase(dataset, pattern) for pattern in patterns)
