"""The checkpoint of a job: how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sequencer.model.source_position import START, SourcePosition

FOUND_RECORDS = "found_records"
"""In a checkpoint's ``extra``: how many records of the source the partition held when the job had no checkpoint."""


class JobStatus(StrEnum):
    """Where a job stands, as its checkpoint says."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


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
        sources: name, size and ETag of each file, or of groups of them (see
            :mod:`sequencer.model.source_identity`); another value is another source.
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
    place: SourcePosition = START
    sources: tuple[tuple[str, int, str], ...] = ()
    error: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
