"""One attempt of a job: finds the resume point, and sends until the end or the first failure."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.lease_guard import HeldLease, LeaseGuard
from sequencer.checkpoint.store import CheckpointStore
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.errors import CheckpointsUnavailableError
from sequencer.input.dialects import check_same_dialect, dialect_runs, recorded_header
from sequencer.input.job_input import JobInput
from sequencer.job.dead_letter_topic import DeadLetterTopic
from sequencer.job.dead_letters import DeadLetters
from sequencer.job.in_flight import InFlight
from sequencer.job.last_record_check import LastRecordCheck
from sequencer.job.progress_recorder import Memory, ProgressRecorder, note_statistics
from sequencer.job.resume_point import ResumePoint, check_gaps, check_same_job, check_source
from sequencer.job.running_attempt import RunningAttempt
from sequencer.job.target import Target
from sequencer.kafka.client import ClientConfig
from sequencer.kafka.partition_reader import LogRecord
from sequencer.kafka.sender import Acknowledged
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.model.source_position import START
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """The parts that a job consists of.

    Attributes:
        settings: its settings.
        job_id: its name; that of the settings, or of one range.
        partition: where its records go.
        source: its input.
        target: the partition, in the job's mode.
        checkpoints: the store of checkpoints and leases.
        owner: name of this process as holder of the lease.
        client: Kafka connection properties.
        progress: its counters.
        dead_letters_in_flight: dead letters that may be in flight, over all attempts.
        clock: the clocks of this machine.
        last_checkpoint_s: how long to try to save the last checkpoint.
    """

    settings: JobSettings
    job_id: str
    partition: PartitionRef
    source: JobInput
    target: Target
    checkpoints: CheckpointStore
    owner: str
    client: ClientConfig
    progress: Progress
    dead_letters_in_flight: InFlight = field(default_factory=InFlight)
    clock: Clock = field(default_factory=Clock)
    last_checkpoint_s: float = 15.0


def run_attempt(parts: JobParts, *, lease: HeldLease, stop: StopRequest, memory: Memory) -> Checkpoint:
    """Find the resume point, send until the end or until a stop is requested, and return the last checkpoint.

    Args:
        parts: parts of the job.
        lease: the lease of the job, held during the attempt.
        stop: the stop request.
        memory: the checkpoint of earlier attempts, and of this one once it has started.

    Raises:
        CsvPipeError: the attempt has failed; the checkpoint records the error.
    """
    known = _load_checkpoint(parts, memory)
    check_source(known, parts.source.identity)
    check_same_dialect(known, parts.source.headers)
    check_same_job(known, partition=parts.partition, mode=parts.settings.mode, row_range=parts.source.row_range)
    try:
        with ExitStack() as stack:
            return open_attempt(parts, known, lease=lease, stop=stop, memory=memory, stack=stack).run()
    except StopRequestedError:
        _log.info("Stopped before the resume point was determined", extra={"job_id": parts.job_id})
        return _stopped_checkpoint(parts, known)


def open_attempt(
    parts: JobParts, known: Checkpoint | None, *, lease: HeldLease, stop: StopRequest, memory: Memory, stack: ExitStack
) -> RunningAttempt:
    """Find the resume point and save a first checkpoint; return the attempt, ready to send.

    Args:
        parts: parts of the job.
        known: the job's last checkpoint.
        lease: the lease of the job.
        stop: the stop request.
        memory: the checkpoint of earlier attempts.
        stack: closes what is opened.

    Raises:
        StopRequestedError: a stop was requested; nothing was sent or saved.
        CsvPipeError: the job cannot resume.
    """
    stop.check()
    settings = parts.settings
    dead_letter_topic = dead_letters = None
    if settings.on_bad_row == "dead-letter":
        dead_letter_topic = DeadLetterTopic(parts.client, settings=settings, stop=stop)
        dead_letters = DeadLetters(
            dead_letter_topic,
            job_id=parts.job_id,
            etags={name: etag for name, _, etag in parts.source.identity},
            in_flight=parts.dead_letters_in_flight,
        )
        stack.callback(dead_letters.close)

    def note_acknowledged(acknowledged: Acknowledged) -> None:
        recorder.note_acknowledged(acknowledged)  # which exists before the first record is sent

    start, sender = parts.target.resume(
        known,
        stop=stop,
        on_acknowledged=note_acknowledged,
        on_statistics=partial(note_statistics, parts.progress),
    )
    stack.callback(sender.close)
    dead_lines: frozenset[int] = frozenset()
    if dead_letter_topic is not None and dead_letters is not None:
        # The predecessor is fenced, or the partition was idle by now: its dead letters are no younger.
        dead_letter_topic.wait_for_late_requests(_dead_letters_queued_until(parts, start, known))
        dead_lines = dead_letters.find_sent_lines()
    check_gaps(start, known, sorted(dead_lines), before_line=parts.source.begin.line)
    _log_resume_point(parts, start, known)
    checkpoint = _first_checkpoint(parts, start, known)
    _save_first(parts, checkpoint, is_first=memory.checkpoint is None)
    writer = CheckpointWriter(
        parts.checkpoints,
        owner=parts.owner,
        interval=settings.checkpoint_interval,
        interval_s=settings.checkpoint_interval_s,
    )
    writer.start()
    recorder = ProgressRecorder(
        checkpoint,
        start=start,
        before_line=parts.source.begin.line,
        sender=sender,
        writer=writer,
        progress=parts.progress,
        memory=memory,
    )
    return RunningAttempt(
        source=parts.source,
        target=parts.target,
        sender=sender,
        dead_letters=dead_letters,
        guard=LeaseGuard(lease, stop=stop, expiry_s=settings.expiry_s, clock=parts.clock),
        stop=stop,
        start=start,
        recorder=recorder,
        writer=writer,
        progress=parts.progress,
        last_checkpoint_s=parts.last_checkpoint_s,
        last_record=LastRecordCheck(_record_to_compare(parts, start, checkpoint)),
    )


def _load_checkpoint(parts: JobParts, memory: Memory) -> Checkpoint | None:
    try:
        return parts.checkpoints.load(parts.job_id)
    except CheckpointsUnavailableError as error:
        if memory.checkpoint is None:
            raise
        _log.warning(
            "Checkpoint store is unavailable; continuing from in-memory state",
            extra={"job_id": parts.job_id, "error": error.detail},
        )
        return memory.checkpoint


def _dead_letters_queued_until(parts: JobParts, start: ResumePoint, known: Checkpoint | None) -> float:
    """Return until when dead letters may have been queued; a job without checkpoint and records has sent none."""
    if known is None and not start.sent:
        return 0.0
    return parts.dead_letters_in_flight.queued_until(known)


def _log_resume_point(parts: JobParts, start: ResumePoint, known: Checkpoint | None) -> None:
    fields = {
        "job_id": parts.job_id,
        **parts.partition.fields,
        "row": start.last_line,
        "records": start.sent,
        "offset": start.first_offset,
    }
    _log.info("Resuming" if start.sent else "Starting", extra=fields)
    if known is None and start.sent:
        _log.warning(
            "Partition already holds rows of this source, but the job has no checkpoint: it is lost, or another job "
            "has sent them; resuming after the last one",
            extra=fields,
        )


def _first_checkpoint(parts: JobParts, start: ResumePoint, known: Checkpoint | None) -> Checkpoint:
    return Checkpoint(
        job_id=parts.job_id,
        last_line=start.last_line,
        total_sent=start.sent,
        dead_lettered=start.last_line - parts.source.begin.line - start.sent,
        timestamp=datetime.now(UTC),
        topic=parts.partition.topic,
        partition=parts.partition.partition,
        first_offset=start.first_offset,
        last_offset=known.last_offset if known else -1,
        found_records=known.found_records if known else start.sent,
        place=start.place if start.place != START else parts.source.begin,
        mode=parts.settings.mode,
        row_range=parts.source.row_range,
        sources=parts.source.identity,
        dialects=dialect_runs(parts.source.headers),
        header=recorded_header(parts.source.headers),
    )


def _save_first(parts: JobParts, checkpoint: Checkpoint, *, is_first: bool) -> None:
    """Save a checkpoint before the first record: a start after a crash needs the first offset.

    Only the first attempt of this process needs the store for that.
    """
    try:
        parts.checkpoints.save(checkpoint, owner=parts.owner)
    except CheckpointsUnavailableError:
        if is_first:
            raise
    else:
        parts.progress.checkpoint_at = time.time()
    if is_first:
        parts.progress.dead_lettered_before = checkpoint.dead_lettered


def _record_to_compare(parts: JobParts, start: ResumePoint, checkpoint: Checkpoint) -> LogRecord | None:
    """Return the last record of the partition if its row is read again.

    If more rows were sent than there are to be now, nothing is read, and nothing compared.
    """
    upto = parts.source.upto
    is_beyond_limit = upto is not None and upto < start.last_line
    return start.last if checkpoint.place.line < start.last_line and not is_beyond_limit else None


def _stopped_checkpoint(parts: JobParts, known: Checkpoint | None) -> Checkpoint:
    """Return the checkpoint of an attempt that was stopped before it started.

    It is not saved: its status would make the next start take the partition as drained.
    """
    if known is not None:
        return replace(known, status=JobStatus.STOPPED)
    return Checkpoint(
        job_id=parts.job_id,
        last_line=parts.source.begin.line,
        timestamp=datetime.now(UTC),
        status=JobStatus.STOPPED,
        topic=parts.partition.topic,
        partition=parts.partition.partition,
        first_offset=0,
    )
