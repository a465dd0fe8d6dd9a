"""Tells surplus cells that are empty, as spreadsheets write them (``1,2,,,``), from those that are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Block, Bytes, Words
from csvscan.line_tracker import CR, LF
from csvscan.row_fields import RowFields
from csvscan.scanner_state import SurplusState


class SurplusCells:
    """Examines the ends of rows in one block after the other.

    Surplus cells are empty if as many delimiters as there are surplus cells stand directly before the line end. A
    quoted empty cell (``""``) is not: no spreadsheet writes one.
    """

    def __init__(self) -> None:
        self._delimiters_at_end = 0
        self._ended_in_cr = False

    def are_empty(self, data: Bytes, fields: RowFields, surplus: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each row whether it has surplus cells and all of them are empty.

        Args:
            data: the block; :meth:`pass_block` is called after this. Empty at the end of the content.
            fields: its rows.
            surplus: number of surplus cells of each row; it may be negative.
        """
        stops = _content_ends(data, fields.ends)
        before = fields.delimiters_before
        starts = stops - surplus
        within = (starts >= 0) & (surplus > 0)
        empty = np.zeros(stops.size, dtype=np.bool_)
        empty[within] = before[stops[within]] - before[starts[within]] == surplus[within]
        # The first row may have begun in the block before, and so may its last cells.
        if stops.size and surplus[0] > 0 and starts[0] < 0:
            earlier = 0 if self._ended_in_cr and stops[0] > 0 else self._delimiters_at_end
            empty[0] = bool(before[stops[0]] == stops[0] and surplus[0] - stops[0] <= earlier)
        return empty

    def pass_block(self, block: Block, delimiters: Words | None) -> None:
        """Record the delimiters at the end of the block."""
        before = 0 if self._ended_in_cr else self._delimiters_at_end
        self._ended_in_cr = int(block.data[-1]) == CR
        last = block.size - 1 - self._ended_in_cr
        if last < 0:
            self._delimiters_at_end = before
        elif delimiters is None or not bits.is_set(delimiters, last):
            self._delimiters_at_end = 0
        else:
            other = bits.last_below(~delimiters, last)
            self._delimiters_at_end = last + 1 + before if other is None else last - other

    def state(self) -> SurplusState:
        """Return the state, which :meth:`restore` accepts."""
        return SurplusState(delimiters_at_end=self._delimiters_at_end, ended_in_cr=self._ended_in_cr)

    def restore(self, state: SurplusState) -> None:
        """Continue from ``state``."""
        self._delimiters_at_end, self._ended_in_cr = state.delimiters_at_end, state.ended_in_cr


def _content_ends(data: Bytes, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the offsets at which the line ends begin; 0 also if that is in the block before."""
    stops = np.maximum(ends - 1, 0)
    inner = np.flatnonzero(stops)
    at_lf = inner[data[stops[inner]] == LF]
    stops[at_lf] -= data[stops[at_lf] - 1] == CR
    return stops
