"""Deviations from the rules that a lenient scan accepts, and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Block, Bytes, Words
from csvscan.line_tracker import LineEnds
from csvscan.row_fields import RowFields
from csvscan.scanner_state import DeviationState
from csvscan.surplus_cells import SurplusCells


@dataclass(frozen=True, slots=True)
class Deviations:
    """What was accepted.

    Attributes:
        surplus_empty_cells: number of rows with more fields than the header, all of them empty.
        blank_last_lines: number of blank lines after the last row.
    """

    surplus_empty_cells: int
    blank_last_lines: int


class DeviationCounter:
    """Counts what a lenient scan accepts, in one block after the other."""

    def __init__(self) -> None:
        self._surplus = SurplusCells()
        self._surplus_rows = 0
        self._blank_lines = 0

    @property
    def counts(self) -> Deviations:
        """The numbers so far."""
        return Deviations(surplus_empty_cells=self._surplus_rows, blank_last_lines=self._blank_lines)

    def accept(self, data: Bytes, fields: RowFields, surplus: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Count the rows whose surplus cells are empty; return a mark for each of them.

        The arguments are those of :meth:`csvscan.surplus_cells.SurplusCells.are_empty`.
        """
        empty = self._surplus.are_empty(data, fields, surplus)
        self._surplus_rows += int(np.count_nonzero(empty))
        return empty

    def pass_block(self, block: Block, delimiters: Words | None, ends: LineEnds) -> None:
        """Record how the block ends, after :meth:`accept` if that is called."""
        self._surplus.pass_block(block, delimiters)
        self.pass_lines(ends)

    def pass_lines(self, ends: LineEnds) -> None:
        """Count the blank lines after the last row so far."""
        if ends.line_at_zero:
            self._blank_lines = 0 if ends.row_at_zero else self._blank_lines + 1
        if ends.all is None:
            return
        last_row = None if ends.rows is None else bits.last(ends.rows)
        if last_row is None:
            self._blank_lines += bits.count(ends.all)
        else:
            self._blank_lines = bits.count(ends.all) - bits.count_below(ends.all, last_row + 1)

    def state(self) -> DeviationState:
        """Return the state, which :meth:`restore` accepts."""
        return DeviationState(
            surplus_empty_cells=self._surplus_rows, blank_last_lines=self._blank_lines, surplus=self._surplus.state()
        )

    def restore(self, state: DeviationState) -> None:
        """Continue from ``state``."""
        self._surplus_rows, self._blank_lines = state.surplus_empty_cells, state.blank_last_lines
        self._surplus.restore(state.surplus)
