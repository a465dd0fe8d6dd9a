"""Checks that the rows in a topic are complete and in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.record import SOURCE_LINE_DIGITS, SOURCE_LINE_PREFIX, parse_record_end
from sequencer.verify.result import MAX_DIFFERENCES, TopicCheckResult

_PAD = b" " * 64
_ZERO = 0x30
_NO_LINE = -1


class LineCheck:
    """Checks ``_source_line`` alone: each line once and in order, without gaps except for dead letters.

    Args:
        first_line: expected line of the first record; None for any.
        last_line: expected line of the last record, or of a dead letter after it; None for any.
        dead: lines of the dead letters.
    """

    def __init__(self, *, first_line: int | None = 1, last_line: int | None = None, dead: Sequence[int] = ()) -> None:
        self.result = TopicCheckResult(dead_lettered=len(dead))
        self._last_line = last_line
        self._dead = np.array(sorted(set(dead)), dtype=np.int64)
        self._before: int | None = None if first_line is None else first_line - 1
        self._last_offset: int | None = None

    def feed(self, offsets: Sequence[int], values: Sequence[bytes]) -> None:
        """Check the next records; matching ones in one step."""
        if not values:
            return
        lines = lines_of(values)
        result = self.result
        result.first_offset = offsets[0] if result.first_offset is None else result.first_offset
        result.last_offset = offsets[-1]
        result.records += len(values)
        self._check_dead_lines(offsets, lines)
        before = self._lines_before(offsets, lines)
        for at in np.flatnonzero(lines != before + 1).tolist():
            if result.is_full:
                return
            self._check_line(offsets[at], int(before[at]), int(lines[at]))

    def _lines_before(self, offsets: Sequence[int], lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the line before each record; records that csvpipe has not written do not count."""
        own = np.flatnonzero(lines != _NO_LINE)
        result, before = self.result, self._before
        if own.size:
            first, last = int(lines[own[0]]), int(lines[own[-1]])
            result.first_line = first if result.first_line is None else result.first_line
            result.last_line = self._before = last
            self._last_offset = offsets[own[-1]]
            before = first - 1 if before is None else before
        known = np.concatenate(([0 if before is None else before], lines[own]))
        return known[np.searchsorted(own, np.arange(len(lines)))]

    def finish(self) -> TopicCheckResult:
        """Check the end."""
        if self._last_line is not None:
            last = self._before if self._before is not None else 0
            self._check_gap(None, last, self._last_line + 1)
            if last > self._last_line:
                what = f"comes after row {self._last_line}, which must be the last"
                self.result.add_difference(self._last_offset, last, what)
        return self.result

    def _check_dead_lines(self, offsets: Sequence[int], lines: NDArray[np.int64]) -> None:
        for at in np.flatnonzero(np.isin(lines, self._dead))[:MAX_DIFFERENCES].tolist() if self._dead.size else ():
            self.result.add_difference(offsets[at], int(lines[at]), "has a dead letter as well")

    def _check_line(self, offset: int, previous: int, line: int) -> None:
        if line == _NO_LINE:
            self.result.add_difference(offset, None, f"not written by csvpipe; expected row {previous + 1}")
        elif line == previous:
            self.result.add_difference(offset, line, "duplicate")
        elif line < previous:
            self.result.add_difference(offset, line, f"duplicate or out of order: comes after row {previous}")
        else:
            self._check_gap(offset, previous, line)

    def _check_gap(self, offset: int | None, previous: int, line: int) -> None:
        """Check that all rows between two others are dead letters, by counting, as there may be billions of them."""
        begin, end = np.searchsorted(self._dead, (previous + 1, max(line, previous + 1))).tolist()
        count = line - previous - 1 - (end - begin)
        if count > 0:
            rows_before = self._dead[begin:end] - np.arange(end - begin)
            missing = previous + 1 + int(np.searchsorted(rows_before, previous + 1, side="right"))
            more = count - 1
            rest = f", as {'is' if more == 1 else 'are'} {more} after it" if more else ""
            self.result.add_difference(offset, missing, f"missing{rest}")


def lines_of(values: Sequence[bytes]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return ``_source_line`` of each record; -1 if it has none."""
    lines = np.full(len(values), _NO_LINE, dtype=np.int64)
    rest = np.arange(len(values))
    first = parse_record_end(values[0]) if values else None
    if first is not None:
        lines = _lines_before(values, first.after_line)
        rest = np.flatnonzero(lines == _NO_LINE)
    for at in rest.tolist():
        end = parse_record_end(values[at])
        lines[at] = _NO_LINE if end is None else end.line
    return lines


def _lines_before(values: Sequence[bytes], ending: bytes) -> NDArray[np.int64]:
    """Return the lines of the records with the given ending, in one step; -1 for the others."""
    data = np.frombuffer(b"".join([_PAD, *values]), dtype=np.uint8)
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    ends = np.cumsum(sizes) + len(_PAD)
    begins = ends - sizes
    right = np.array([value.endswith(ending) for value in values])
    numbers_end = np.where(right, ends - len(ending), len(_PAD))
    lines = np.zeros(len(values), dtype=np.int64)
    length = np.zeros(len(values), dtype=np.int64)
    reading = right.copy()
    for place in range(SOURCE_LINE_DIGITS):
        digit = data[numbers_end - 1 - place].astype(np.int64) - _ZERO
        reading &= (digit >= 0) & (digit <= 9)
        if not reading.any():
            break
        lines += np.where(reading, digit * 10**place, 0)
        length += reading
    keys = numbers_end - length - len(SOURCE_LINE_PREFIX)
    right &= (length > 0) & (keys >= begins)
    for number, byte in enumerate(SOURCE_LINE_PREFIX):
        right &= data[keys + number] == byte
    return np.where(right, lines, _NO_LINE)
