"""Checkpoints as flat fields: the same names and types in every store, readable by people."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sequencer.model.checkpoint import Checkpoint, DialectRun, JobStatus
from sequencer.model.source_identity import FileIdentity, condense
from sequencer.model.source_position import SourcePosition

NUMBERS = (
    "last_line",
    "total_sent",
    "dead_lettered",
    "partition",
    "first_offset",
    "last_offset",
    "found_records",
    "place_line",
    "source_index",
    "byte_offset",
)
TEXTS = (
    "timestamp",
    "status",
    "topic",
    "mode",
    "row_range",
    "etag",
    "sources",
    "dialects",
    "header",
    "error",
)


def to_fields(checkpoint: Checkpoint) -> dict[str, str | int]:
    """Return the fields except ``job_id``. ``etag`` is that of the first file, for people who look for it.

    Many files are condensed, because a DynamoDB item is limited to 400 KB.
    """
    return {
        "last_line": checkpoint.last_line,
        "total_sent": checkpoint.total_sent,
        "dead_lettered": checkpoint.dead_lettered,
        "partition": checkpoint.partition,
        "first_offset": checkpoint.first_offset,
        "last_offset": checkpoint.last_offset,
        "found_records": checkpoint.found_records,
        "place_line": checkpoint.place.line,
        "source_index": checkpoint.place.source_index,
        "byte_offset": checkpoint.place.byte_offset,
        "timestamp": checkpoint.timestamp.isoformat(timespec="milliseconds"),
        "status": checkpoint.status.value,
        "topic": checkpoint.topic,
        "mode": checkpoint.mode,
        "row_range": json.dumps(checkpoint.row_range),
        "etag": checkpoint.sources[0].etag if checkpoint.sources else "",
        "sources": json.dumps(condense(checkpoint.sources)),
        "dialects": json.dumps([asdict(run) for run in checkpoint.dialects]),
        "header": json.dumps(checkpoint.header),
        "error": checkpoint.error,
    }


def from_fields(job_id: str, fields: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint that ``fields`` describe."""
    first, last = json.loads(fields["row_range"])
    return Checkpoint(
        job_id=job_id,
        last_line=int(fields["last_line"]),
        total_sent=int(fields["total_sent"]),
        dead_lettered=int(fields["dead_lettered"]),
        timestamp=datetime.fromisoformat(fields["timestamp"]),
        status=JobStatus(fields["status"]),
        topic=fields["topic"],
        partition=int(fields["partition"]),
        first_offset=int(fields["first_offset"]),
        last_offset=int(fields["last_offset"]),
        found_records=int(fields["found_records"]),
        place=SourcePosition(int(fields["place_line"]), int(fields["source_index"]), int(fields["byte_offset"])),
        mode=fields["mode"],
        row_range=(first, last),
        sources=tuple(FileIdentity(*file) for file in json.loads(fields["sources"])),
        dialects=tuple(DialectRun(**run) for run in json.loads(fields["dialects"])),
        header=tuple(json.loads(fields["header"])),
        error=fields["error"],
    )
