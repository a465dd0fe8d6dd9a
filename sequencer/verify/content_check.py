"""Checks that the records in a topic have the content of the source."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from contracts.record import SOURCE_FILE, SOURCE_LINE
from sequencer.model.schema import ColumnType
from sequencer.verify.result import TopicCheckResult

_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?")
Exactly = tuple[Decimal | str]
"""A number; a float would lose digits. It is in a tuple because ``Decimal(1) == True``."""


class ContentCheck:
    """Compares each record with its row, as Python's ``csv`` reads it from the source.

    Args:
        rows: line, file and fields by column name of each row, in order.
        kinds: types of the columns in the schema.
        dead: lines of the dead letters.
    """

    def __init__(
        self,
        rows: Iterator[tuple[int, str, Mapping[str, str] | None]],
        *,
        kinds: Mapping[str, ColumnType] | None = None,
        dead: Sequence[int] = (),
    ) -> None:
        self._kinds = kinds or {}
        self.result = TopicCheckResult(dead_lettered=len(dead))
        self._dead = frozenset(dead)
        self._at: int | None = None
        self._rows = self._sent(rows)

    def feed(self, offsets: Sequence[int], values: Sequence[bytes]) -> None:
        """Check the next records."""
        for offset, value in zip(offsets, values, strict=True):
            self._at = offset
            row = next(self._rows, None)
            self.result.first_offset = offset if self.result.first_offset is None else self.result.first_offset
            self.result.last_offset = offset
            self.result.records += 1
            if row is None:
                self.result.add_difference(offset, None, "a record after the last row of the source")
                continue
            line, expected = row
            self.result.last_line = line
            self._compare(offset, value, line, expected)

    def finish(self) -> TopicCheckResult:
        """Check the end."""
        self._at = None
        row = next(self._rows, None)
        if row is not None:
            self.result.add_difference(None, row[0], "missing, as are all rows after it")
        return self.result

    def _sent(
        self, rows: Iterator[tuple[int, str, Mapping[str, str] | None]]
    ) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield line and expected record of each row; a row that cannot have a record must be a dead letter."""
        for line, name, fields in rows:
            if line in self._dead:
                continue
            if fields is None:
                self.result.add_difference(
                    self._at, line, "has a different number of fields than the header, but no dead letter"
                )
                continue
            try:
                values = {column: typed(text, self._kinds.get(column, "string")) for column, text in fields.items()}
            except ValueError as error:
                self.result.add_difference(self._at, line, f"violates the schema, but has no dead letter: {error}")
                continue
            yield line, {**values, SOURCE_LINE: (Decimal(line),), SOURCE_FILE: name}

    def _compare(self, offset: int, value: bytes, line: int, expected: Mapping[str, object]) -> None:
        try:
            found = json.loads(value, parse_int=_exactly, parse_float=_exactly)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.result.add_difference(offset, line, f"not a JSON object: {value[:80]!r}")
            return
        if found == expected:
            return
        if found.get(SOURCE_LINE) != expected[SOURCE_LINE]:
            self.result.add_difference(offset, line, f"has row {_shown(found.get(SOURCE_LINE))} instead")
            return
        wrong = next(key for key in {**expected, **found} if found.get(key) != expected.get(key))
        what = f"{wrong!r} is {_shown(found.get(wrong))} instead of {_shown(expected.get(wrong))}"
        self.result.add_difference(offset, line, what)


def typed(text: str, kind: ColumnType) -> object:
    """Return the expected value of a field. This shares no code with the encoder.

    A number has all of its digits, and is in a tuple.

    Raises:
        ValueError: the field is not of the type.
    """
    match kind:
        case "string":
            return text
        case _ if not text:
            return None
        case "integer":
            if not _INTEGER.fullmatch(text):
                raise ValueError(f"{text[:100]!r} is not an integer")
            return _exactly(text)
        case "number":
            if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
                raise ValueError(f"{text[:100]!r} is not a finite number")
            return _exactly(text)
        case "boolean":
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError(f"{text[:100]!r} is not a boolean")
            return text.lower() in _TRUE


def _exactly(text: str) -> Exactly:
    """Return a number with all of its digits."""
    try:
        return (Decimal(text),)
    except ArithmeticError:  # the exponent is too large for Decimal
        return (text,)


def _shown(value: object) -> str:
    return str(value[0]) if isinstance(value, tuple) else repr(value)
