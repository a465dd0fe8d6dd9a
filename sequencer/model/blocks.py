"""Blocks of rows, as they are read and as they are encoded."""

from __future__ import annotations

from dataclasses import dataclass

from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Whole rows of one file, verbatim.

    Attributes:
        data: the bytes, from the start of a row to the end of one.
        rows: how many rows they hold; blank lines are none.
        start: the place before the first of them.
        end: the place behind the last.
        source_file: name of the file, as ``_source_file`` has it.
        ragged: whether a row has another number of fields than the header.
        irregular: whether quotes or line ends are such that only Python's ``csv`` reads them as meant.
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
    """A row that is not sent: its line in the sequence, its text, and why."""

    line: int
    source_file: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """The records of a block, as JSON, in order.

    Attributes:
        records: one JSON object each, in one buffer.
        lines: the ``_source_line`` of each; consecutive where the block has no dead letters.
        dead: the rows that are not sent.
        last_line: the last row of the block, sent or dead.
        end: the place behind the block; None where only the first part of it was asked for.
    """

    records: Records
    lines: range | list[int]
    dead: list[DeadLetter]
    last_line: int
    end: SourcePosition | None
