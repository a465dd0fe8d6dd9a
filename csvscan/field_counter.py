"""Checks that every row has as many fields as the header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csvscan import bits
from csvscan.bits import Words

_MOST = 1 << 30
"""Sums are kept in 32 bits, for speed. They may overflow after the first ragged row, where they no longer matter."""
_ONE = np.uint64(1)


@dataclass(frozen=True)
class RaggedRow:
    """A row with a different number of fields: its number (from 1) and end in the block, and its number of fields."""

    number: int
    end: int
    found: int


class FieldCounter:
    """Counts the separators of each row without finding their positions.

    With ``n`` fields per row, the ``k``-th row end is separator number ``n * k``. So the number of separators minus
    ``n`` times the number of row ends is carried from word to word and must be 0 at every row end. It is checked for
    the first row end of all words together, then for the second one of the words that have two, and so on.

    Raises:
        ValueError: the number of fields is not between 1 and 2**30.
    """

    def __init__(self, expected: int) -> None:
        if not 0 < expected < _MOST:
            raise ValueError(f"the number of fields must be from 1 to {_MOST - 1}, got {expected}")
        self._expected = expected
        self.open_separators = 0
        """Number of delimiters so far in the row that is open: the state between two blocks."""

    def feed(self, delimiters: Words | None, rows: Words | None, *, row_at_zero: bool) -> RaggedRow | None:
        """Count the ``delimiters`` outside of quotes in a block; return its first ragged row, or None."""
        if row_at_zero:
            found, self.open_separators = self.open_separators + 1, 0
            if found != self._expected:
                return RaggedRow(number=1, end=0, found=found)
        if rows is None:
            more = 0 if delimiters is None else bits.count(delimiters)
            self.open_separators = min(self.open_separators + more, _MOST)
            return None
        separators = rows if delimiters is None else rows | delimiters
        sums = np.empty(rows.size + 1, dtype=np.int32)
        surplus = np.multiply(np.bitwise_count(rows), np.int32(-self._expected))
        surplus += np.bitwise_count(separators)
        surplus[0] += self.open_separators
        sums[0] = self.open_separators
        np.cumsum(surplus, out=sums[1:])
        self.open_separators = int(sums[-1])
        fault = self._first_fault(separators, rows, sums[:-1])
        if fault is None:
            return None
        bit, difference = fault
        number = bits.count_below(rows, bit) + 1 + row_at_zero
        return RaggedRow(number=number, end=bit + 1, found=self._expected + difference)

    def _first_fault(
        self, separators: Words, rows: Words, before: np.ndarray[tuple[int], np.dtype[np.int32]]
    ) -> tuple[int, int] | None:
        """Return the first row end at which the sum is not 0, and the sum, or None."""
        fault: tuple[int, int] | None = None
        index = None
        due = 0
        while rows.size:
            due += self._expected
            below = rows - _ONE
            upto = rows ^ below
            sums = np.bitwise_count(separators & upto) + before
            wrong = (sums != due) & (rows != 0)
            rows = rows & below
            if wrong.any():
                at = int(wrong.argmax())
                word = at if index is None else int(index[at])
                bit = word * bits.WORD_BITS + int(upto[at]).bit_length() - 1
                fault = bit, int(sums[at]) - due
                separators, rows, before = separators[:at], rows[:at], before[:at]
            left = np.flatnonzero(rows != 0)
            if left.size * 2 < rows.size:
                index = left if index is None else index[left]
                separators, rows, before = separators[left], rows[left], before[left]
        return fault
