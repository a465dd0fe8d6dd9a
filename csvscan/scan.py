"""The row ends of a block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Words


class Scan:
    """The row ends in one block, as offsets in the block one past the line end.

    Blank lines are not rows. An end may be 0: the block before ended in a CR that proved to be a line end of its own.
    Counting is cheap; offsets are computed on demand.
    """

    __slots__ = ("_at_zero", "_counts", "_words", "rows")

    rows: int
    """Number of rows that end in this block."""

    def __init__(self, words: Words | None, *, at_zero: bool) -> None:
        self._words = words if words is not None else bits.zeros(0)
        self._at_zero = int(at_zero)
        self._counts: NDArray[np.int64] | None = None
        self.rows = bits.count(self._words) + self._at_zero

    @property
    def last_end(self) -> int | None:
        """The end of the last row that ends in this block, or None."""
        last = bits.last(self._words)
        if last is not None:
            return last + 1
        return 0 if self._at_zero else None

    def row_ends(self) -> NDArray[np.int64]:
        """Return the end of every row. This is slow compared with the other methods."""
        ends = bits.positions(self._words) + 1
        return np.insert(ends, 0, 0) if self._at_zero else ends

    def first_end_at_or_after(self, offset: int) -> int | None:
        """Return the first row end at or after ``offset``, or None."""
        if offset <= 0 and self._at_zero:
            return 0
        bit = bits.first(self._words, max(offset - 1, 0))
        return None if bit is None else bit + 1

    def rows_before(self, offset: int) -> int:
        """Return the number of rows that end at or before ``offset``."""
        if offset < 0:
            return 0
        return self._at_zero + bits.count_below(self._words, offset)

    def end_of_row(self, number: int) -> int:
        """Return the end of row ``number`` (from 1) of those that end in this block.

        Raises:
            IndexError: fewer rows end in this block.
        """
        if not 1 <= number <= self.rows:
            raise IndexError(f"row {number} requested of a block with {self.rows} row ends")
        if number <= self._at_zero:
            return 0
        rank = number - self._at_zero
        if self._counts is None:
            self._counts = np.cumsum(np.bitwise_count(self._words), dtype=np.int64)
        index = int(np.searchsorted(self._counts, rank))
        before = int(self._counts[index - 1]) if index else 0
        return index * bits.WORD_BITS + bits.nth_in_word(int(self._words[index]), rank - before) + 1
