"""A checkpoint as plain fields: the same names and kinds in every store, for people to read."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.source_identity import condensed
from sequencer.model.source_position import SourcePosition

NUMBERS = (
    "last_line",
    "total_sent",
    "dead_lettered",
    "partition",
    "first_offset",
    "place_line",
    "source_index",
    "byte_offset",
)
TEXTS = ("timestamp", "status", "topic", "etag", "sources", "error", "extra")


def to_fields(checkpoint: Checkpoint) -> dict[str, str | int]:
    """Return the fields but for ``job_id``. ``etag`` is that of the first file, as people look for it.

    Many files are condensed, as an item of DynamoDB may have 400 KB. Checkpoints of earlier versions have all of them.
    """
    return {
        "last_line": checkpoint.last_line,
        "total_sent": checkpoint.total_sent,
        "dead_lettered": checkpoint.dead_lettered,
        "partition": checkpoint.partition,
        "first_offset": checkpoint.first_offset,
        "place_line": checkpoint.place.line,
        "source_index": checkpoint.place.source_index,
        "byte_offset": checkpoint.place.byte_offset,
        "timestamp": checkpoint.timestamp.isoformat(timespec="milliseconds"),
        "status": checkpoint.status.value,
        "topic": checkpoint.topic,
        "etag": checkpoint.sources[0][2] if checkpoint.sources else "",
        "sources": json.dumps(condensed(checkpoint.sources)),
        "error": checkpoint.error,
        "extra": json.dumps(checkpoint.extra),
    }


def from_fields(job_id: str, fields: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint that ``fields`` are."""
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
        place=SourcePosition(int(fields["place_line"]), int(fields["source_index"]), int(fields["byte_offset"])),
        sources=tuple((name, size, etag) for name, size, etag in json.loads(fields["sources"])),
        error=fields["error"],
        extra=json.loads(fields["extra"]),
    )
