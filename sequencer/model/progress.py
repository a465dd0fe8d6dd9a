"""The progress of a running job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Progress:
    """Counters of a running job. One thread writes them; others may read them at any time."""

    total_bytes: int | None = None
    """Size of the source as stored, which may be compressed."""
    bytes_read: int = 0
    """Number of these bytes that were read."""
    records_sent: int = 0
    """Records acknowledged by this process."""
    bytes_sent: int = 0
    """Size of these records as JSON."""
    dead_lettered: int = 0
    """Rows of the job that went to the dead-letter topic, those of earlier processes included."""
    dead_lettered_before: int = 0
    """Number of these rows when this process started."""
    last_line: int = 0
    retries: int = 0
    errors: int = 0
    checkpoint_at: float = 0.0
    """``time.time()`` of the last checkpoint that this process has saved; 0 if none."""
    bytes_read_before: int = 0
    """Bytes of the source before the position at which this process started to read."""
    sending_s: float = 0.0
    """Seconds of this process from the first row read to the last one acknowledged."""
    started_at: float = 0.0
    """``time.time()`` of the start of this process's job."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """librdkafka's last statistics."""
