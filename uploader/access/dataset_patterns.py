"""Patterns of dataset names: a name, in which ``*`` stands for any characters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

ALL_DATASETS = "*"
PATTERN = re.compile(r"[A-Za-z0-9_.*-]{1,128}")
"""What a pattern may look like: the characters of dataset names, and ``*``."""


def matches(patterns: Iterable[str], dataset: str) -> bool:
    """Return whether ``dataset`` matches one of ``patterns``, upper and lower case being different."""
    return any(_compiled(pattern).fullmatch(dataset) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
