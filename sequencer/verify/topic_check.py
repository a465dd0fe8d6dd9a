"""The proof from the topic itself: every row once, in order, and with the source also its content. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from contracts.record import SOURCE_FILE, SOURCE_LINE, SOURCE_LINE_DIGITS, SOURCE_LINE_PREFIX, parse_record_end
from sequencer.model.schema import ColumnType

_PAD = b" " * 64
_ZERO = 0x30
_NO_LINE = -1
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?")
Exactly = tuple[Decimal | str]
"""A number: a float would lose digits. In a tuple, as ``Decimal(1) == True``."""
MOST_DIFFERENCES = 10


@dataclass(frozen=True)
class Difference:
    """The first record that is not what it must be, and those behind it up to a limit.

    Attributes:
        offset: of the record; None where one is missing at the end.
        line: the row that is concerned.
        what: in words, what was expected and found.
    """

    offset: int | None
    line: int | None
    what: str

    def __str__(self) -> str:
        """Return it in one line."""
        place = "the end" if self.offset is None else f"offset {self.offset}"
        row = "" if self.line is None else f", row {self.line}"
        return f"{place}{row}: {self.what}"


@dataclass
class TopicProof:
    """What was found so far."""

    records: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    first_line: int | None = None
    last_line: int | None = None
    dead_lettered: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    @property
    def is_full(self) -> bool:
        """Whether no more differences are noted: there may be others behind them."""
        return len(self.differences) >= MOST_DIFFERENCES

    def differ(self, offset: int | None, line: int | None, what: str) -> None:
        """Note a difference; the first ones are enough."""
        if not self.is_full:
            self.differences.append(Difference(offset, line, what))


class LineCheck:
    """Checks ``_source_line`` alone: each line once, in order, none left out but the dead-lettered.

    Args:
        first_line: the line that the first record must have; None: any.
        last_line: the line that the last record must have, dead letters behind it aside; None: any.
        dead: the lines that went to the dead-letter topic.
    """

    def __init__(self, *, first_line: int | None = 1, last_line: int | None = None, dead: Sequence[int] = ()) -> None:
        self.proof = TopicProof(dead_lettered=len(dead))
        self._first_line = first_line
        self._last_line = last_line
        self._dead = np.array(sorted(set(dead)), dtype=np.int64)
        self._before: int | None = None if first_line is None else first_line - 1
        self._last_offset: int | None = None

    def feed(self, offsets: Sequence[int], values: Sequence[bytes]) -> None:
        """Check the next records, all of them at once where they are as they must be."""
        if not values:
            return
        lines = lines_of(values)
        proof = self.proof
        proof.first_offset = offsets[0] if proof.first_offset is None else proof.first_offset
        proof.last_offset = offsets[-1]
        proof.records += len(values)
        self._look_for_dead(offsets, lines)
        before = self._lines_before(offsets, lines)
        for at in np.flatnonzero(lines != before + 1).tolist():
            if proof.is_full:
                return
            self._look_at(offsets[at], int(before[at]), int(lines[at]))

    def _lines_before(self, offsets: Sequence[int], lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the last line before each record; those that are none of a sequencer's have none and change none."""
        own = np.flatnonzero(lines != _NO_LINE)
        proof, before = self.proof, self._before
        if own.size:
            first, last = int(lines[own[0]]), int(lines[own[-1]])
            proof.first_line = first if proof.first_line is None else proof.first_line
            proof.last_line = self._before = last
            self._last_offset = offsets[own[-1]]
            before = first - 1 if before is None else before
        known = np.concatenate(([0 if before is None else before], lines[own]))
        return known[np.searchsorted(own, np.arange(len(lines)))]

    def finish(self) -> TopicProof:
        """Check the end."""
        if self._last_line is not None:
            last = self._before if self._before is not None else 0
            self._look_for(None, last, self._last_line + 1)
            if last > self._last_line:
                what = f"comes behind row {self._last_line}, which must be the last"
                self.proof.differ(self._last_offset, last, what)
        return self.proof

    def _look_for_dead(self, offsets: Sequence[int], lines: NDArray[np.int64]) -> None:
        for at in np.flatnonzero(np.isin(lines, self._dead))[:MOST_DIFFERENCES].tolist() if self._dead.size else ():
            self.proof.differ(offsets[at], int(lines[at]), "has a dead letter as well")

    def _look_at(self, offset: int, previous: int, line: int) -> None:
        if line == _NO_LINE:
            self.proof.differ(offset, None, f"no record of a sequencer, where row {previous + 1} must be")
        elif line == previous:
            self.proof.differ(offset, line, "the row stands twice")
        elif line < previous:
            self.proof.differ(offset, line, f"comes after row {previous}: twice, or out of order")
        else:
            self._look_for(offset, previous, line)

    def _look_for(self, offset: int | None, previous: int, line: int) -> None:
        """Check that the rows between two others are all dead letters. Counted: there may be billions of them."""
        begin, end = np.searchsorted(self._dead, (previous + 1, max(line, previous + 1))).tolist()
        count = line - previous - 1 - (end - begin)
        if count > 0:
            rows_before = self._dead[begin:end] - np.arange(end - begin)
            missing = previous + 1 + int(np.searchsorted(rows_before, previous + 1, side="right"))
            self.proof.differ(
                offset, missing, f"is missing, with {count - 1} more behind it" if count > 1 else "is missing"
            )


class ContentCheck:
    """Checks each record against its row, as Python's ``csv`` has read it from the source.

    Args:
        rows: line, file and fields by name of each row, in order.
        kinds: the types of the columns that a schema names.
        dead: the lines that went to the dead-letter topic.
    """

    def __init__(
        self,
        rows: Iterator[tuple[int, str, Mapping[str, str] | None]],
        *,
        kinds: Mapping[str, ColumnType] | None = None,
        dead: Sequence[int] = (),
    ) -> None:
        self._kinds = kinds or {}
        self.proof = TopicProof(dead_lettered=len(dead))
        self._dead = frozenset(dead)
        self._at: int | None = None
        self._rows = self._sent(rows)

    def feed(self, offsets: Sequence[int], values: Sequence[bytes]) -> None:
        """Check the next records."""
        for offset, value in zip(offsets, values, strict=True):
            self._at = offset
            row = next(self._rows, None)
            self.proof.first_offset = offset if self.proof.first_offset is None else self.proof.first_offset
            self.proof.last_offset = offset
            self.proof.records += 1
            if row is None:
                self.proof.differ(offset, None, "a record behind the last row of the source")
                continue
            line, expected = row
            self.proof.last_line = line
            self._compare(offset, value, line, expected)

    def finish(self) -> TopicProof:
        """Check the end."""
        self._at = None
        row = next(self._rows, None)
        if row is not None:
            self.proof.differ(None, row[0], "is missing, as are all rows behind it")
        return self.proof

    def _sent(
        self, rows: Iterator[tuple[int, str, Mapping[str, str] | None]]
    ) -> Iterator[tuple[int, dict[str, object]]]:
        """Give line and record of each row that must have one; a row that cannot have one must be a dead letter."""
        for line, name, fields in rows:
            if line in self._dead:
                continue
            if fields is None:
                self.proof.differ(self._at, line, "has another number of fields than the header, and no dead letter")
                continue
            try:
                values = {column: typed(text, self._kinds.get(column, "string")) for column, text in fields.items()}
            except ValueError as error:
                self.proof.differ(self._at, line, f"breaks the schema, and has no dead letter: {error}")
                continue
            yield line, {**values, SOURCE_LINE: (Decimal(line),), SOURCE_FILE: name}

    def _compare(self, offset: int, value: bytes, line: int, expected: Mapping[str, object]) -> None:
        try:
            found = json.loads(value, parse_int=_exactly, parse_float=_exactly)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.proof.differ(offset, line, f"no JSON object: {value[:80]!r}")
            return
        if found == expected:
            return
        if found.get(SOURCE_LINE) != expected[SOURCE_LINE]:
            self.proof.differ(offset, line, f"holds row {_shown(found.get(SOURCE_LINE))} instead")
            return
        wrong = next(key for key in {**expected, **found} if found.get(key) != expected.get(key))
        what = f"{wrong!r} is {_shown(found.get(wrong))} instead of {_shown(expected.get(wrong))}"
        self.proof.differ(offset, line, what)


def typed(text: str, kind: ColumnType) -> object:
    """Return what a field must have become by its schema; none of the code that sends takes part in it.

    A number has all of its digits, and stands in a tuple.

    Raises:
        ValueError: it cannot become that.
    """
    match kind:
        case "string":
            return text
        case _ if not text:
            return None
        case "integer":
            if not _INTEGER.fullmatch(text):
                raise ValueError(f"{text[:100]!r} is no integer")
            return _exactly(text)
        case "number":
            if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
                raise ValueError(f"{text[:100]!r} is no finite number")
            return _exactly(text)
        case "boolean":
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError(f"{text[:100]!r} is no boolean")
            return text.lower() in _TRUE


def _exactly(text: str) -> Exactly:
    """Return a number of JSON or of a field, with all of its digits."""
    try:
        return (Decimal(text),)
    except ArithmeticError:  # an exponent that Decimal does not have
        return (text,)


def _shown(value: object) -> str:
    return str(value[0]) if isinstance(value, tuple) else repr(value)


def lines_of(values: Sequence[bytes]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the ``_source_line`` of each record; -1 where there is none."""
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
    """Return the lines of the records that end like the first one, all at once; -1 for the others."""
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
