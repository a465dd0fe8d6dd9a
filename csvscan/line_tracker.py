"""Finds line ends (LF, CRLF and CR) and blank lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csvscan import bits
from csvscan.bits import Words
from csvscan.scanner_state import LineState

LF, CR = 0x0A, 0x0D
_FIRST = np.uint64(1)


@dataclass(frozen=True)
class LineEnds:
    """The line ends of one block, each marked at its last byte.

    Attributes:
        all: all line ends, those of blank lines included; None if there are none.
        rows: those that end a record; None if there are none.
        line_at_zero: whether the block before ended in a CR that is a line end of its own.
        row_at_zero: whether, in addition, that line was a record.
    """

    all: Words | None
    rows: Words | None
    line_at_zero: bool
    row_at_zero: bool


class LineTracker:
    """Finds the line ends of one block after the other.

    A CR at the end of a block is pending: only the next byte shows whether the line ends before or after it.
    """

    def __init__(self) -> None:
        self._at_line_start = True
        self._cr_waits = False
        self._cr_line_blank = False

    def feed(self, lf: Words | None, cr: Words | None, *, size: int) -> LineEnds:
        """Find the line ends of a block of ``size`` bytes from its LF and CR outside of quotes."""
        waiting_blank, waited = self._cr_line_blank, self._cr_waits
        joined = waited and lf is not None and bits.is_set(lf, 0)
        line_at_zero = waited and not joined
        at_start = line_at_zero or (self._at_line_start and not waited)
        self._cr_waits = False
        row_at_zero = line_at_zero and not waiting_blank
        ends = self._ends(lf, cr, size)
        if ends is None:
            self._at_line_start = False
            return LineEnds(None, None, line_at_zero, row_at_zero)
        after_end = bits.shift_up(ends, at_start)
        before_blank = after_end
        if cr is not None:
            blank_cr = cr & after_end
            if blank_cr.any():
                before_blank = after_end | bits.shift_up(blank_cr, carry=False)
            self._cr_line_blank = bits.is_set(after_end, size - 1)
        if joined and waiting_blank:
            before_blank[0] |= _FIRST
        self._at_line_start = bits.is_set(ends, size - 1)
        blank = ends & before_blank
        rows = ends & ~blank if blank.any() else ends
        return LineEnds(ends, rows, line_at_zero, row_at_zero)

    def finish(self) -> LineEnds:
        """Treat the end of the content as a line end if the last line has none."""
        row = not self._cr_line_blank if self._cr_waits else not self._at_line_start
        line = self._cr_waits or row
        self._cr_waits, self._at_line_start = False, True
        return LineEnds(None, None, line, row)

    def state(self) -> LineState:
        """Return the state, which :meth:`restore` accepts."""
        return LineState(at_line_start=self._at_line_start, cr_waits=self._cr_waits, cr_line_blank=self._cr_line_blank)

    def restore(self, state: LineState) -> None:
        """Continue from ``state``."""
        self._at_line_start, self._cr_waits = state.at_line_start, state.cr_waits
        self._cr_line_blank = state.cr_line_blank

    def _ends(self, lf: Words | None, cr: Words | None, size: int) -> Words | None:
        if cr is None:
            return lf
        lone = cr if lf is None else cr & ~bits.shift_down(lf)
        if lf is not None and not lone.any():  # CRLF throughout
            return lf
        self._cr_waits = bits.is_set(lone, size - 1)
        if self._cr_waits:
            lone = lone.copy()
            lone[-1] ^= bits.WORD.type(1 << (size - 1) % bits.WORD_BITS)
        return lone if lf is None else lf | lone
