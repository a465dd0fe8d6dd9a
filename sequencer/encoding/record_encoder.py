"""Encodes blocks of rows as JSON records; regular blocks as a whole, in compiled code."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from contracts.number_text import counted
from contracts.record import SOURCE_FILE, SOURCE_LINE
from csvscan import BACKSLASH_HINT, Dialect, scan_rows
from sequencer.encoding.typed_columns import TypedColumns
from sequencer.errors import BadRowError
from sequencer.model.blocks import DeadLetter, EncodedBlock, RowBlock
from sequencer.model.records import Records
from sequencer.model.schema import Schema
from sequencer.settings import MAX_RECORD_BYTES, OnBadRow

_MAX_FIELD_BYTES = 2**31 - 1
Fault = tuple[int, str]
"""``_source_line`` of a row that is not sent, and the reason."""
_MAX_TEXT_CHARACTERS = 100_000
"""Length of the text in a dead letter, which must itself fit into a Kafka record."""


class RecordEncoder:
    """Encodes blocks: each field as a string or as typed by the schema, then ``_source_line`` and ``_source_file``.

    polars parses regular blocks (:mod:`csvscan.rfc4180`), and Python's ``csv`` the others. Both must give the same
    fields.

    Args:
        columns: names of the columns.
        dialect: delimiter and quote.
        encoding: encoding of the bytes.
        schema: the typed columns.
        on_bad_row: whether a bad row stops the job or becomes a dead letter.
        max_record_bytes: size of the largest record that Kafka accepts; a row with a larger one is a bad row.

    Raises:
        BadRowError: a column name occurs twice or is reserved.
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        dialect: Dialect,
        encoding: str,
        schema: Schema,
        on_bad_row: OnBadRow,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        check_columns(columns)
        schema.check_header(columns)
        self._columns = list(columns)
        self._dialect = dialect
        self._encoding = encoding
        self._typed = TypedColumns(schema)
        self._stops = on_bad_row == "stop"
        self._max_record_bytes = max_record_bytes
        csv.field_size_limit(_MAX_FIELD_BYTES)

    def encode(self, block: RowBlock, *, skip: int = 0, take: int | None = None) -> EncodedBlock:
        """Return the records of at most ``take`` rows of ``block`` after the first ``skip``.

        Raises:
            BadRowError: a row is bad, and bad rows stop the job; row, byte and reason are named.
        """
        faults: list[Fault] = []
        first = block.start.line + 1
        if block.ragged or block.irregular:
            frame = self._parse_irregular(block, faults)
        else:
            frame = self._parse(block)
            lines = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True)
            frame = frame.with_columns(lines.alias(SOURCE_LINE))
        last = block.end.line if take is None else min(block.end.line, block.start.line + skip + take)
        if skip or last < block.end.line:
            frame = frame.filter(pl.col(SOURCE_LINE).is_between(first + skip, last))
            faults = [(line, reason) for line, reason in faults if first + skip <= line <= last]
        frame, broken = self._typed.apply(frame)
        faults += broken
        records = self._write(frame, block.source_file)
        if records.sizes.max(initial=0) > self._max_record_bytes:
            frame, records = self._remove_oversized(frame, records, faults)
        dead = self._dead_letters(block, faults) if faults else []
        lines_sent = frame[SOURCE_LINE].to_list() if dead else range(first + skip, last + 1)
        end = block.end if last == block.end.line else None
        return EncodedBlock(records=records, lines=lines_sent, dead=dead, last_line=last, end=end)

    def _remove_oversized(
        self, frame: pl.DataFrame, records: Records, faults: list[Fault]
    ) -> tuple[pl.DataFrame, Records]:
        fits = records.sizes <= self._max_record_bytes
        lines = frame[SOURCE_LINE]
        for at in np.flatnonzero(~fits).tolist():
            reason = f"{records.sizes[at]} bytes as JSON, more than MAX_RECORD_BYTES={self._max_record_bytes}"
            faults.append((lines[at], reason))
        return frame.filter(pl.Series(fits)), records.select(fits)

    def _parse(self, block: RowBlock) -> pl.DataFrame:
        data = self._utf8(block.data)
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=self._dialect.delimiter.decode("ascii"),
            quote_char='"' if b'"' in data else None,
            schema=dict.fromkeys(self._columns, pl.String),
            empty_string_is_null=False,
        )
        if frame.height != block.rows:
            raise AssertionError(f"polars parsed {frame.height} rows of {block.rows} at {block.start}")
        return frame

    def _parse_irregular(self, block: RowBlock, faults: list[Fault]) -> pl.DataFrame:
        rows: list[list[str]] = []
        lines: list[int] = []
        for line, fields in self._rows(block):
            if len(fields) == len(self._columns):
                rows.append(fields)
                lines.append(line)
            else:
                faults.append((line, f"{counted(len(fields), 'field')} instead of {len(self._columns)}"))
        schema = dict.fromkeys(self._columns, pl.String)
        frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
        return frame.with_columns(pl.Series(SOURCE_LINE, lines, dtype=pl.Int64))

    def _rows(self, block: RowBlock) -> Iterator[tuple[int, list[str]]]:
        text = io.StringIO(block.data.decode(self._encoding), newline="")
        delimiter, quote = self._dialect.delimiter.decode("ascii"), self._dialect.quote.decode("ascii")
        filled = filter(None, csv.reader(text, delimiter=delimiter, quotechar=quote))  # blank lines are not rows
        return enumerate(filled, start=block.start.line + 1)

    def _write(self, frame: pl.DataFrame, source_file: str) -> Records:
        if not frame.height:
            return Records.from_values(())
        target = io.BytesIO()
        frame.with_columns(pl.lit(source_file).alias(SOURCE_FILE)).write_ndjson(target)
        records = Records.from_lines(self._typed.unmarked(target.getvalue()))
        if len(records) != frame.height:
            raise AssertionError(f"polars wrote {len(records)} records of {frame.height} rows")
        return records

    def _utf8(self, data: bytes) -> bytes:
        return data if self._encoding in ("utf-8", "ascii") else data.decode(self._encoding).encode()

    def _dead_letters(self, block: RowBlock, faults: list[Fault]) -> list[DeadLetter]:
        """Return a dead letter for each fault, in order.

        Raises:
            BadRowError: bad rows stop the job; the first one is named.
        """
        bounds = row_bounds(block, self._dialect)  # found once, as a block may be full of bad rows
        if self._stops:
            raise self._bad_row(block, *min(faults), bounds)
        return [self._dead_letter(block, line, reason, bounds) for line, reason in sorted(faults)]

    def _dead_letter(self, block: RowBlock, line: int, reason: str, bounds: list[int]) -> DeadLetter:
        number = line - block.start.line
        begin, end = bounds[number - 1], bounds[number]
        text = block.data[begin:end].decode(self._encoding, errors="replace").strip("\r\n")
        return DeadLetter(line=line, source_file=block.source_file, text=text[:_MAX_TEXT_CHARACTERS], reason=reason)

    def _bad_row(self, block: RowBlock, line: int, reason: str, bounds: list[int]) -> BadRowError:
        begin, end = bounds[line - block.start.line - 1 : line - block.start.line + 1]
        byte = block.start.byte_offset + begin
        hint = self._hint_of_ragged(block.data[begin:end]) if "fields instead of" in reason else ""
        return BadRowError(
            f"{block.source_file}: row {line}, byte {byte}: {reason}{hint}; with ON_BAD_ROW=dead-letter the job sends "
            "such rows to the dead-letter topic and continues. For a corrected source, use a new JOB_ID and an empty "
            "partition",
            row=line,
            byte=byte,
            reason=reason,
        )

    def _hint_of_ragged(self, row: bytes) -> str:
        delimiter = self._dialect.delimiter.decode("ascii")
        hint = f"; {BACKSLASH_HINT}" if b'\\"' in row else ""
        return f" (read with the delimiter {delimiter!r}; set DELIMITER if it is another){hint}"


def row_bounds(block: RowBlock, dialect: Dialect) -> list[int]:
    """Return the offset of each row of ``block`` in its data, and that of the end of the last one."""
    return [0, *scan_rows(block.data, dialect).row_ends().tolist(), len(block.data)]


def check_columns(columns: Sequence[str]) -> None:
    """Check that the column names can be the keys of a JSON object.

    Raises:
        BadRowError: a name occurs twice or is reserved.
    """
    seen: dict[str, int] = {SOURCE_LINE: 0, SOURCE_FILE: 0}
    for number, name in enumerate(columns, start=1):
        if name in seen:
            other = f"columns {seen[name]} and {number}" if seen[name] else f"column {number}"
            raise BadRowError(
                f"header: {other}: the name {name!r} {'occurs twice' if seen[name] else 'is reserved'}; the keys of a "
                "JSON record must be unique",
                row=0,
                column=number,
            )
        seen[name] = number
