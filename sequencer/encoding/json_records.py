"""Turns blocks of rows into JSON records: whole blocks at a time, in compiled code, wherever they are regular."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from contracts.counts import counted
from contracts.record import SOURCE_FILE, SOURCE_LINE
from csvscan import BACKSLASH_HINT, Dialect, scan_rows
from sequencer.encoding.typed_columns import TypedColumns
from sequencer.errors import BadRowError
from sequencer.model.blocks import DeadLetter, EncodedBlock, RecordBlock
from sequencer.model.records import Records
from sequencer.model.schema import Schema
from sequencer.settings import MAX_RECORD_BYTES, OnBadRow

_LARGEST_FIELD_BYTES = 2**31 - 1
Fault = tuple[int, str]
"""The line of a row that is not sent, and why."""
_LONGEST_TEXT = 100_000
"""Characters of a row that its dead letter quotes, so that the letter itself is no longer than Kafka takes."""


class Encoder:
    """Encodes blocks: every field a string, or what the schema says, then ``_source_line`` and ``_source_file``.

    Regular blocks (:mod:`sequencer.source.rfc4180`) are parsed by polars, the others by Python's ``csv``, which
    defines the meaning of both.

    Args:
        columns: the header.
        dialect: delimiter and quote.
        encoding: what the bytes are in.
        schema: the typed columns.
        on_bad_row: whether a bad row stops the job or becomes a dead letter.
        max_record_bytes: the longest record that Kafka takes; a longer one is a bad row.

    Raises:
        BadRowError: the names of the columns cannot be those of a JSON object.
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
        csv.field_size_limit(_LARGEST_FIELD_BYTES)

    def encode(self, block: RecordBlock, *, skip: int = 0, take: int | None = None) -> EncodedBlock:
        """Return the records of ``block`` but for the first ``skip`` rows, and of ``take`` rows at most.

        Raises:
            BadRowError: a row is bad, and that is to stop the job; row, byte and reason are named.
        """
        faults: list[Fault] = []
        first = block.start.line + 1
        if block.ragged or block.irregular:
            frame = self._parse_slowly(block, faults)
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
            frame, records = self._take_long_ones_out(frame, records, faults)
        dead = self._dead_letters(block, faults) if faults else []
        lines_sent = frame[SOURCE_LINE].to_list() if dead else range(first + skip, last + 1)
        end = block.end if last == block.end.line else None
        return EncodedBlock(records=records, lines=lines_sent, dead=dead, last_line=last, end=end)

    def _take_long_ones_out(
        self, frame: pl.DataFrame, records: Records, faults: list[Fault]
    ) -> tuple[pl.DataFrame, Records]:
        fits = records.sizes <= self._max_record_bytes
        lines = frame[SOURCE_LINE]
        for at in np.flatnonzero(~fits).tolist():
            reason = (
                f"{records.sizes[at]} bytes as JSON, and a message may have {self._max_record_bytes} (MAX_RECORD_BYTES)"
            )
            faults.append((lines[at], reason))
        return frame.filter(pl.Series(fits)), records.only(fits)

    def _parse(self, block: RecordBlock) -> pl.DataFrame:
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
            raise AssertionError(f"{frame.height} rows were parsed where {block.rows} were found: {block.start}")
        return frame

    def _parse_slowly(self, block: RecordBlock, faults: list[Fault]) -> pl.DataFrame:
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

    def _rows(self, block: RecordBlock) -> Iterator[tuple[int, list[str]]]:
        text = io.StringIO(block.data.decode(self._encoding), newline="")
        delimiter, quote = self._dialect.delimiter.decode("ascii"), self._dialect.quote.decode("ascii")
        filled = filter(None, csv.reader(text, delimiter=delimiter, quotechar=quote))  # a blank line is no row
        return enumerate(filled, start=block.start.line + 1)

    def _write(self, frame: pl.DataFrame, source_file: str) -> Records:
        if not frame.height:
            return Records.of(())
        target = io.BytesIO()
        frame.with_columns(pl.lit(source_file).alias(SOURCE_FILE)).write_ndjson(target)
        records = Records.of_lines(self._typed.unmarked(target.getvalue()))
        if len(records) != frame.height:
            raise AssertionError(f"{len(records)} records were written of {frame.height} rows")
        return records

    def _utf8(self, data: bytes) -> bytes:
        return data if self._encoding in ("utf-8", "ascii") else data.decode(self._encoding).encode()

    def _dead_letters(self, block: RecordBlock, faults: list[Fault]) -> list[DeadLetter]:
        """Return a letter for each fault, in order; or name the first one, where that is to stop the job."""
        bounds = row_bounds(block, self._dialect)  # looked for once: a block may be full of bad rows
        if self._stops:
            raise self._bad_row(block, *min(faults), bounds)
        return [self._dead_letter(block, line, reason, bounds) for line, reason in sorted(faults)]

    def _dead_letter(self, block: RecordBlock, line: int, reason: str, bounds: list[int]) -> DeadLetter:
        number = line - block.start.line
        begin, end = bounds[number - 1], bounds[number]
        text = block.data[begin:end].decode(self._encoding, errors="replace").strip("\r\n")
        return DeadLetter(line=line, source_file=block.source_file, text=text[:_LONGEST_TEXT], reason=reason)

    def _bad_row(self, block: RecordBlock, line: int, reason: str, bounds: list[int]) -> BadRowError:
        begin, end = bounds[line - block.start.line - 1 : line - block.start.line + 1]
        byte = block.start.byte_offset + begin
        hint = self._hint_of_ragged(block.data[begin:end]) if "fields instead of" in reason else ""
        return BadRowError(
            f"{block.source_file}: row {line}, byte {byte}: {reason}{hint}; with ON_BAD_ROW=dead-letter the job goes "
            "on and such rows go to the dead-letter topic. A source in which the row was mended is another source: it "
            "takes another JOB_ID and an empty partition",
            row=line,
            byte=byte,
            reason=reason,
        )

    def _hint_of_ragged(self, row: bytes) -> str:
        delimiter = self._dialect.delimiter.decode("ascii")
        hint = f"; {BACKSLASH_HINT}" if b'\\"' in row else ""
        return f" (read with the delimiter {delimiter!r}; DELIMITER says another){hint}"


def row_bounds(block: RecordBlock, dialect: Dialect) -> list[int]:
    """Return where each row of ``block`` starts in its data, and at last where the last one ends."""
    return [0, *scan_rows(block.data, dialect).row_ends().tolist(), len(block.data)]


def check_columns(columns: Sequence[str]) -> None:
    """Check that the header can give the names of a JSON object.

    Raises:
        BadRowError: a name stands twice, or is one of ours.
    """
    seen: dict[str, int] = {SOURCE_LINE: 0, SOURCE_FILE: 0}
    for number, name in enumerate(columns, start=1):
        if name in seen:
            other = f"columns {seen[name]} and {number}" if seen[name] else f"column {number}"
            raise BadRowError(
                f"header: {other}: the name {name!r} {'stands twice' if seen[name] else 'is kept for the sequencer'}; "
                "in a JSON record each name can stand once",
                row=0,
                column=number,
            )
        seen[name] = number
