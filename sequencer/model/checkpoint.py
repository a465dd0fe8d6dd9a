"""The checkpoint of a job: how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sequencer.model.source_identity import FileIdentity
from sequencer.model.source_position import START, SourcePosition


class JobStatus(StrEnum):
    """State of a job, as recorded in its checkpoint."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class DialectRun:
    """Consecutive files of a source that have the same delimiter, one ASCII character, and encoding."""

    files: int
    delimiter: str
    encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The progress report of a job. The end of the partition is authoritative; the checkpoint helps to find it.

    Attributes:
        job_id: name of the job, which has one item in the store.
        last_line: ``_source_line`` of the last row that was acknowledged or dead-lettered, with all rows before it.
        total_sent: number of records acknowledged so far.
        dead_lettered: number of rows sent to the dead-letter topic so far.
        timestamp: when the checkpoint was written (UTC).
        status: state of the job.
        topic, partition: the partition that the job writes to.
        first_offset: offset of the job's first record.
        last_offset: offset of its last record, or -1.
        found_records: number of this source's records that the partition held when the job had no checkpoint.
        place: a position between two rows, at or before ``last_line``, to start reading at.
        mode: ``exclusive`` or ``transactional``.
        row_range: line before the first row of the job's range and line of its last row, or None for the end of the
            source.
        sources: name, size and ETag of each file, or of groups of them (see
            :mod:`sequencer.model.source_identity`); another value means another source.
        dialects: how the files are read, in order; empty if there are too many runs to store.
        header: the column names; empty if they are too long to store.
        error: why the job failed, as ``code: text``.
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
    last_offset: int = -1
    found_records: int = 0
    place: SourcePosition = START
    mode: str = "exclusive"
    row_range: tuple[int, int | None] = (0, None)
    sources: tuple[FileIdentity, ...] = ()
    dialects: tuple[DialectRun, ...] = ()
    header: tuple[str, ...] = ()
    error: str = ""
