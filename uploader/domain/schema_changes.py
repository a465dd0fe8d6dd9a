"""How the columns of one header differ from those of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class ColumnChanges:
    """What was added, removed and moved. A name that occurs several times counts as often as it occurs."""

    added: list[str]
    removed: list[str]
    reordered: bool
    """Whether the columns that both have are in another order."""

    @classmethod
    def between(cls, before: Sequence[str], after: Sequence[str]) -> Self:
        """Return the changes from ``before`` to ``after``, each in the order of its header."""
        added, kept_after = _split(after, Counter(before))
        removed, kept_before = _split(before, Counter(after))
        return cls(added=added, removed=removed, reordered=kept_before != kept_after)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.reordered)


def _split(names: Sequence[str], other: Counter[str]) -> tuple[list[str], list[str]]:
    """Return the names that ``other`` does not have, and those that it has."""
    left = other.copy()
    alone: list[str] = []
    common: list[str] = []
    for name in names:
        (common if left[name] > 0 else alone).append(name)
        left[name] -= 1
    return alone, common
