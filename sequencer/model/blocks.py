"""Blocks of rows, as read from the source and as encoded."""

from __future__ import annotations

from dataclasses import dataclass

from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Whole rows of one file, verbatim.

    Attributes:
        data: the bytes, from the start of a row to the end of another.
        rows: number of rows; blank lines do not count.
        start: position before the first row.
        end: position after the last row.
        source_file: name of the file, the value of ``_source_file``.
        ragged: whether a row has a different number of fields than the header.
        irregular: whether quotes or line ends differ from RFC 4180, so that Python's ``csv`` has to read them.
    """

    data: bytes
    rows: int
    start: SourcePosition
    end: SourcePosition
    source_file: str
    ragged: bool = False
    irregular: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that is not sent, with its ``_source_line``, its text and the reason."""

    line: int
    source_file: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """The records of a block, in order.

    Attributes:
        records: one JSON object per row.
        lines: ``_source_line`` of each record; consecutive if there are no dead letters.
        dead: the rows that are not sent.
        last_line: ``_source_line`` of the last row, sent or not.
        end: position after the block; None if only its first rows were requested.
    """

    records: Records
    lines: range | list[int]
    dead: list[DeadLetter]
    last_line: int
    end: SourcePosition | None
