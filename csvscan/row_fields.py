"""The number of fields of every row in a block. This is slow compared with :mod:`csvscan.field_counter`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Words
from csvscan.line_tracker import LineEnds

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class RowFields:
    """The rows that end in a block.

    Attributes:
        ends: their ends, one past the line end.
        counts: their numbers of fields.
        delimiters_before: for every offset in the block, the number of delimiters outside of quotes before it.
        open_separators: number of delimiters in the row that is open at the end of the block.
    """

    ends: NDArray[np.int64]
    counts: NDArray[np.int64]
    delimiters_before: NDArray[np.int32]
    open_separators: int

    @classmethod
    def of(cls, ends: LineEnds, delimiters: Words | None, *, size: int, open_separators: int) -> RowFields:
        """Count the fields of every row.

        Args:
            ends: the line ends of the block.
            delimiters: the delimiters outside of quotes.
            size: size of the block.
            open_separators: number of delimiters before the block in the row that was open.
        """
        before = np.zeros(size + 1, dtype=np.int32)
        if delimiters is not None:
            places = np.unpackbits(delimiters.view(np.uint8), count=size, bitorder="little")
            np.cumsum(places, dtype=np.int32, out=before[1:])
        offsets = _NONE if ends.rows is None else bits.positions(ends.rows) + 1
        if ends.row_at_zero:
            offsets = np.insert(offsets, 0, 0)
        total = int(before[-1])
        if not offsets.size:
            return cls(offsets, offsets, before, open_separators + total)
        upto = before[offsets].astype(np.int64)
        counts = np.diff(upto, prepend=0) + 1
        counts[0] += open_separators
        return cls(offsets, counts, before, total - int(upto[-1]))
