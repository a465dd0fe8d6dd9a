"""Types the columns that a schema names, and finds the rows that break it."""

from __future__ import annotations

from functools import reduce
from operator import or_

import polars as pl

from sequencer.schema import ColumnSchema, Schema

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_LINE = "_source_line"


class TypedColumns:
    """Applies a schema to frames whose columns are all strings, and which have ``_source_line``."""

    def __init__(self, schema: Schema) -> None:
        self._columns = [column for column in schema.columns if column.type != "string" or column.required]

    def apply(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
        """Return the rows that the schema allows, typed, and the line and reason of each other one."""
        if not self._columns or not frame.height:
            return frame, []
        faulty = frame.select(_is_faulty(column).alias(str(number)) for number, column in enumerate(self._columns))
        is_bad = faulty.select(reduce(or_, (pl.col(name) for name in faulty.columns))).to_series()
        faults = []
        if is_bad.any():
            bad = frame.filter(is_bad)
            first_faults = (self._columns[flags.index(True)] for flags in faulty.filter(is_bad).iter_rows())
            texts = bad.select(column.column for column in self._columns).iter_rows(named=True)
            faults = [
                (line, _reason(text[column.column], column))
                for line, text, column in zip(bad[_LINE].to_list(), texts, first_faults, strict=True)
            ]
            frame = frame.filter(~is_bad)
        return frame.with_columns(_typed(column).alias(column.column) for column in self._columns), faults


def _reason(value: str, column: ColumnSchema) -> str:
    if not value:
        return f"column {column.column!r} is empty and required"
    return f"column {column.column!r}: {value[:100]!r} is no {column.type}"


def _is_faulty(column: ColumnSchema) -> pl.Expr:
    text = pl.col(column.column)
    wrong = (text != "") & _typed(column).is_null()
    return wrong | (text == "") if column.required else wrong


def _typed(column: ColumnSchema) -> pl.Expr:
    text = pl.col(column.column)
    match column.type:
        case "integer":
            return text.cast(pl.Int64, strict=False)
        case "number":
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case "boolean":
            lower = text.str.to_lowercase()
            return pl.when(lower.is_in(_TRUE)).then(True).when(lower.is_in(_FALSE)).then(False)
        case "string":
            return text
