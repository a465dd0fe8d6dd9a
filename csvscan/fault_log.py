"""The violations in a content, if a scan does not end with the first one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from csvscan.errors import CsvFormatError

MOST_FAULTS = 20
"""Number of violations that are described; the others are only counted."""


class FaultLog:
    """Describes the first violations and counts all of them, at most one of each kind in a row.

    Args:
        most: number of violations to describe.
    """

    def __init__(self, *, most: int = MOST_FAULTS) -> None:
        self.first: list[CsvFormatError] = []
        """The first ones, in the order of the bytes that prove them."""
        self.counts: Counter[str] = Counter()
        """The number of all, by :attr:`CsvFormatError.code`."""
        self._most = most

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def room(self) -> int:
        """Number of violations that can still be described."""
        return self._most - len(self.first)

    def add(self, code: str, number: int) -> None:
        """Count ``number`` violations of one kind."""
        if number:
            self.counts[code] += number

    def describe(self, faults: Iterable[CsvFormatError]) -> None:
        """Add the descriptions of violations that were counted, in their order, as long as there is room."""
        self.first += list(faults)[: self.room]

    def add_error(self, fault: CsvFormatError) -> None:
        """Count and describe one violation."""
        self.add(fault.code, 1)
        self.describe([fault])
