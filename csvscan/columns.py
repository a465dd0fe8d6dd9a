"""Does every row have as many fields as the header?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Words


@dataclass(frozen=True)
class RaggedRow:
    """A row with another number of fields: its number in the block (from 1), its end in the block, and its fields."""

    number: int
    end: int
    found: int


class FieldCounter:
    """Counts the separators of each row without asking where they are.

    With ``n`` fields a row, the ``k``-th row end is separator number ``n * k``. So per word the sum of separators minus
    ``n`` times row ends is carried along, and must be 0 at every row end: looked at for the first row end of all words
    at once, then for the second where there is one, and so on.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._open_separators = 0

    def feed(self, delimiters: Words | None, rows: Words | None, *, row_at_zero: bool) -> RaggedRow | None:
        """Count a block's ``delimiters`` (those outside of quotes) and return its first ragged row."""
        if row_at_zero:
            found, self._open_separators = self._open_separators + 1, 0
            if found != self._expected:
                return RaggedRow(number=1, end=0, found=found)
        if rows is None:
            self._open_separators += 0 if delimiters is None else bits.count(delimiters)
            return None
        separators = rows if delimiters is None else rows | delimiters
        surplus = np.bitwise_count(separators) - np.bitwise_count(rows) * np.int64(self._expected)
        before = np.cumsum(surplus)
        before += self._open_separators
        self._open_separators = int(before[-1])
        before -= surplus
        fault = self._first_fault(separators, rows, before)
        if fault is None:
            return None
        bit, difference = fault
        number = bits.count_below(rows, bit) + 1 + row_at_zero
        return RaggedRow(number=number, end=bit + 1, found=self._expected + difference)

    def _first_fault(
        self, separators: Words, rows: Words, before: NDArray[np.int64]
    ) -> tuple[int, int] | None:
        index = np.flatnonzero(rows)
        separators, rest, before = separators[index], rows[index], before[index]
        fault: tuple[int, int] | None = None
        rank = 0
        while rest.size:
            rank += 1
            without = rest & (rest - np.uint64(1))
            upto = rest ^ without
            upto |= upto - np.uint64(1)
            difference = before + np.bitwise_count(separators & upto)
            difference -= self._expected * rank
            wrong = np.flatnonzero(difference)
            if wrong.size:
                place = int(wrong[0])
                bit = int(index[place]) * bits.WORD_BITS + int(upto[place]).bit_length() - 1
                if fault is None or bit < fault[0]:
                    fault = bit, int(difference[place])
            more = np.flatnonzero(without)
            index, separators, rest, before = index[more], separators[more], without[more], before[more]
        return fault
