"""Records the progress of a running attempt: in its checkpoint, its counters, and this process's memory."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contracts.errors import StoppedError
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.job.resume_point import ResumePoint
from sequencer.job.target import RecordSender
from sequencer.kafka.sender import Acknowledged
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.progress import Progress


@dataclass
class Memory:
    """The newest checkpoint of a job in this process: what an attempt resumes from if the store is unavailable."""

    checkpoint: Checkpoint | None = None


class ProgressRecorder:
    """Updates checkpoint and counters when records are acknowledged.

    Args:
        checkpoint: the first checkpoint of the attempt.
        start: the resume point.
        before_line: the row before the job's first one.
        sender: the sender of the records.
        writer: saves checkpoints.
        progress: counters of the job.
        memory: keeps the newest checkpoint.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        start: ResumePoint,
        before_line: int,
        sender: RecordSender,
        writer: CheckpointWriter,
        progress: Progress,
        memory: Memory,
    ) -> None:
        self._start = start
        self._before_line = before_line
        self._sender = sender
        self._writer = writer
        self._progress = progress
        self._memory = memory
        self._sent_before = progress.records_sent
        self._bytes_before = progress.bytes_sent
        self._seconds_before = progress.sending_s
        self._sending_since = time.monotonic()
        self._reading_ended = threading.Event()
        self._checkpoint = memory.checkpoint = checkpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint."""
        return self._checkpoint

    def note_acknowledged(self, acknowledged: Acknowledged) -> None:
        """Record an acknowledged batch."""
        sent = self._start.sent + acknowledged.records
        self._update(
            replace(
                self._checkpoint,
                last_line=acknowledged.last_line,
                total_sent=sent,
                first_offset=self._start.first_offset if self._start.sent else acknowledged.first_offset,
                last_offset=acknowledged.offset,
                dead_lettered=acknowledged.last_line - self._before_line - sent,
                place=acknowledged.place or self._checkpoint.place,
                timestamp=datetime.now(UTC),
            )
        )
        progress = self._progress
        progress.records_sent = self._sent_before + acknowledged.records
        progress.bytes_sent = self._bytes_before + acknowledged.size_bytes
        progress.sending_s = self._seconds_before + time.monotonic() - self._sending_since
        progress.retries = self._sender.retries
        progress.checkpoint_at = self._writer.saved_at or progress.checkpoint_at
        self._writer.offer(self._checkpoint)

    def note_end_of_source(self, last_line: int) -> None:
        """Record that all rows up to ``last_line``, the last of the source, were sent or dead-lettered."""
        dead = last_line - self._before_line - self._checkpoint.total_sent
        self._update(replace(self._checkpoint, last_line=last_line, dead_lettered=dead))

    def note_read(self, bytes_read: int) -> None:
        """Record how much was read. Called in the reading thread, which ends here after :meth:`end_reading`."""
        if self._reading_ended.is_set():
            raise StoppedError
        self._progress.bytes_read = bytes_read

    def end_reading(self) -> None:
        """Make the reading thread end."""
        self._reading_ended.set()

    def final(self, status: JobStatus, error: str) -> Checkpoint:
        """Return the last checkpoint of the attempt."""
        return replace(self._checkpoint, status=status, error=error, timestamp=datetime.now(UTC))

    def _update(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = self._memory.checkpoint = checkpoint
        self._progress.last_line = checkpoint.last_line
        self._progress.dead_lettered = checkpoint.dead_lettered


def note_statistics(progress: Progress, text: str) -> None:
    """Keep librdkafka's statistics, which are JSON."""
    progress.statistics = json.loads(text)
