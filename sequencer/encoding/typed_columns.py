"""Converts columns to the types of a schema, and finds the rows that violate it."""

from __future__ import annotations

from functools import reduce
from operator import or_

import polars as pl

from contracts.record import SOURCE_LINE
from sequencer.model.schema import ColumnSchema, Schema

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_DIGITS = r"[+-]?[0-9]+"
_INTEGER = rf"^{_DIGITS}$"
_NUMBER = rf"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]{_DIGITS})?$"
_JSON_NUMBER = rf"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]{_DIGITS})?$"
"""RFC 8259, 6."""
_TO_JSON = ((r"^\+", ""), (r"^(-?)0+([0-9])", "${1}${2}"), (r"^(-?)\.", "${1}0."), (r"\.([eE]|$)", "${1}"))
"""Turns ``+007.`` into ``7``: removes signs, zeros and points that JSON does not allow, and no significant digit."""
_BEGIN, _END = "\0", "\0\0"
"""Marks around the text of a number: no field has a NUL, as csvscan refuses it."""


class TypedColumns:
    """Applies a schema to frames in which all columns are strings, plus ``_source_line``."""

    def __init__(self, schema: Schema) -> None:
        self._columns = [column for column in schema.columns if column.type != "string" or column.required]
        self._has_numbers = any(column.type in ("integer", "number") for column in self._columns)

    def apply(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
        """Return the valid rows with typed columns, and the line and reason of each other row.

        Numbers remain text between marks, so that :meth:`unmarked` can write all of their digits as JSON numbers.
        """
        if not self._columns or not frame.height:
            return frame, []
        typed = [_typed(frame[column.column], column).alias(column.column) for column in self._columns]
        faulty = pl.DataFrame(
            [
                _is_faulty(frame[column.column], values, column).alias(str(number))
                for number, (column, values) in enumerate(zip(self._columns, typed, strict=True))
            ]
        )
        is_bad = reduce(or_, faulty.get_columns())
        faults = []
        if is_bad.any():
            bad = frame.filter(is_bad)
            first_faults = (self._columns[flags.index(True)] for flags in faulty.filter(is_bad).iter_rows())
            texts = bad.select(column.column for column in self._columns).iter_rows(named=True)
            faults = [
                (line, _reason(text[column.column], column))
                for line, text, column in zip(bad[SOURCE_LINE].to_list(), texts, first_faults, strict=True)
            ]
        return frame.with_columns(typed).filter(~is_bad), faults

    def unmarked(self, json_lines: bytes) -> bytes:
        """Return the JSON lines of a typed frame with the marked numbers as JSON numbers."""
        if not self._has_numbers:
            return json_lines
        return json_lines.replace(b'"\\u0000', b"").replace(b'\\u0000\\u0000"', b"")


def _reason(value: str, column: ColumnSchema) -> str:
    if not value:
        return f"column {column.column!r} is empty and required"
    return f"column {column.column!r}: {value[:100]!r} is not a valid {column.type}"


def _is_faulty(text: pl.Series, typed: pl.Series, column: ColumnSchema) -> pl.Series:
    wrong = (text != "") & typed.is_null()
    return wrong | (text == "") if column.required else wrong


def _typed(text: pl.Series, column: ColumnSchema) -> pl.Series:
    """Return the values; null if ``text`` is not of the type."""
    match column.type:
        case "integer":
            return _marked(text, text.str.contains(_INTEGER))
        case "number":  # within the range of a double, which most JSON parsers return
            finite = text.cast(pl.Float64, strict=False).is_finite().fill_null(value=False)
            return _marked(text, text.str.contains(_NUMBER) & finite)
        case "boolean":
            lower = text.str.to_lowercase()
            no = pl.when(lower.is_in(_FALSE)).then(statement=False)
            return pl.select(pl.when(lower.is_in(_TRUE)).then(statement=True).otherwise(no)).to_series()
        case "string":
            return text


def _marked(text: pl.Series, is_number: pl.Series) -> pl.Series:
    """Return numbers in the form of JSON; each on its own, so that the record of a row does not depend on its block."""
    if not text.filter(is_number).str.contains(_JSON_NUMBER).all():
        for pattern, replacement in _TO_JSON:
            text = text.str.replace(pattern, replacement)
    return pl.select(pl.when(is_number).then(pl.lit(_BEGIN) + text + pl.lit(_END))).to_series()
