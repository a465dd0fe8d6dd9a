"""What the parts of a job hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sequencer.batch import Records


class JobStatus(StrEnum):
    """Where a job stands, as its checkpoint says."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two rows of the whole sequence.

    Attributes:
        line: how many data rows lie before it, over all files; so also the ``_source_line`` of the last of them.
        source_index: the file that it lies in, from 0.
        byte_offset: where it lies in that file's content, after decompression.
    """

    line: int = 0
    source_index: int = 0
    byte_offset: int = 0


START = Place()
"""The start of the first file."""
FOUND_RECORDS = "found_records"
"""In a checkpoint's ``extra``: how many records of the source the partition held when the job had no checkpoint."""


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
    start: Place
    end: Place
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
    end: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The progress report of a job. The log's own tail is the truth; this tells where to look.

    Attributes:
        job_id: name of the job; one item each.
        last_line: ``_source_line`` of the last row that was acknowledged or dead-lettered with all before it.
        total_sent: records acknowledged so far.
        dead_lettered: rows that went to the dead-letter topic so far.
        timestamp: when this was written (UTC).
        status: see :class:`JobStatus`.
        topic, partition: where the records go.
        first_offset: offset of the job's first record.
        place: a place between two rows, at or before ``last_line``, to start reading at.
        sources: name, size and ETag of each file, or of groups of them (:mod:`sequencer.source_identity`); another
            value is another source.
        error: why the job failed, as ``code: text``.
        extra: what else is kept, such as the ranges of ``--partitions``.
    """

    job_id: str
    last_line: int = 0
    total_sent: int = 0
    dead_lettered: int = 0
    timestamp: datetime
    status: JobStatus = JobStatus.RUNNING
    topic: str
    partition: int
    first_offset: int
    place: Place = START
    sources: tuple[tuple[str, int, str], ...] = ()
    error: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """Counters of a running job, for whoever shows them; written by one thread, read by others at any time."""

    total_bytes: int | None = None
    """Size of the source as stored (compressed where it is)."""
    bytes_read: int = 0
    """How much of that was read."""
    records_sent: int = 0
    """Records acknowledged by this process."""
    bytes_sent: int = 0
    """Their bytes as JSON."""
    dead_lettered: int = 0
    """Rows of the job that went to the dead-letter topic, those of earlier processes included."""
    dead_lettered_before: int = 0
    """How many of them were there when this process began."""
    last_line: int = 0
    retries: int = 0
    errors: int = 0
    checkpoint_at: float = 0.0
    """``time.time()`` of the last checkpoint that this process has saved; 0: none yet."""
    bytes_read_before: int = 0
    """How much of the source lies before the place at which this process began to read."""
    sending_s: float = 0.0
    """Seconds of this process from the first row read to the last one acknowledged."""
    started_at: float = 0.0
    """``time.time()`` of the start of this process's job."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """librdkafka's last statistics."""
