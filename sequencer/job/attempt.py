"""One attempt of a job: from settling to the end, or to the first failure."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from contracts.errors import CsvPipeError, StoppedError, TemporaryFailureError
from sequencer.checkpoint.lease import Lease
from sequencer.checkpoint.lease_guard import LeaseGuard
from sequencer.checkpoint.store import CheckpointStore
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.errors import CheckpointsUnavailableError, ForeignRecordsError
from sequencer.job.dead_letter_topic import DeadLetterTopic
from sequencer.job.dead_letters import DeadLetters
from sequencer.job.dialect_notes import check_same_dialect, describe_dialects
from sequencer.job.in_flight import InFlight
from sequencer.job.input import JobInput
from sequencer.job.pipeline import Empty, EncodedBlocks
from sequencer.job.resume import ResumePoint, check_gaps, check_same_job, check_source
from sequencer.job.target import RecordSender, Target
from sequencer.kafka.partition_reader import LogRecord
from sequencer.kafka.sender import BATCH_BYTES, BATCH_RECORDS, Acknowledged
from sequencer.model.blocks import DeadLetter, EncodedBlock
from sequencer.model.checkpoint import FOUND_RECORDS, Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.model.source_position import START
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError

_log = logging.getLogger(__name__)
_TAKE_S = 0.2
_LAST_CHECKPOINT_S = 15.0
_CLOSING_S = 5.0


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """What a job is made of.

    Attributes:
        settings: what it was told.
        job_id: its name; that of the settings, or of one range of it.
        partition: where the records go.
        source: what is read.
        target: the partition, in its mode.
        checkpoints: where progress is noted and the lease lies.
        owner: who holds the lease.
        client: librdkafka's configuration of the connection, for the dead letters.
        progress: counters for whoever looks.
        dead_letters_in_flight: the dead letters that may be on their way, over all tries.
    """

    settings: JobSettings
    job_id: str
    partition: int
    source: JobInput
    target: Target
    checkpoints: CheckpointStore
    owner: str
    client: dict[str, Any]
    progress: Progress
    dead_letters_in_flight: InFlight = field(default_factory=InFlight)


class Attempt:
    """Sends what is left of a job's rows.

    Args:
        parts: of the job.
        lease: held while it runs.
        stop: the wish to end early.
        remembered: what an earlier attempt of this process has come to; enough to go on where the store is away.
    """

    def __init__(self, parts: JobParts, *, lease: Lease, stop: StopRequest, remembered: Checkpoint | None) -> None:
        self._parts = parts
        self._remembered = remembered
        self._guard = LeaseGuard(lease, stop=stop, expiry_s=parts.settings.expiry_s)
        self._stop = stop
        self._sent_before = parts.progress.records_sent
        self._bytes_before = parts.progress.bytes_sent
        self._seconds_before = parts.progress.sending_s
        self._start: ResumePoint
        self._checkpoint: Checkpoint
        self._sender: RecordSender
        self._keeper: CheckpointWriter
        self._letters: DeadLetters | None = None
        self._letter_topic: DeadLetterTopic
        self._expected: LogRecord | None = None
        self._ended = threading.Event()
        self._has_begun = False
        self._sending_since = 0.0

    def run(self) -> Checkpoint:
        """Settle, send until the end or until the job is to stop, and return the last checkpoint.

        Raises:
            CsvPipeError: something is wrong, or away; the checkpoint says so too.
        """
        parts = self._parts
        known = self._known()
        check_source(known, parts.source.identity)
        check_same_dialect(known.extra if known else {}, parts.source.heads, job_id=parts.job_id)
        check_same_job(
            known,
            topic=parts.settings.kafka_topic,
            partition=parts.partition,
            mode=parts.settings.mode,
            span=parts.source.span,
        )
        try:
            with ExitStack() as stack:
                self._begin(known, stack)
                return self._run_to_the_end()
        except StopRequestedError:
            _log.info("stopped before it was known where to go on")
            return self._stopped(known)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What the job has come to, once it has begun: for the next attempt, should the store be away."""
        return self._checkpoint if self._has_begun else None

    def _begin(self, known: Checkpoint | None, stack: ExitStack) -> None:
        """Find out where to go on, and save that.

        Raises:
            StopRequestedError: the job is to end first; nothing was sent or saved.
        """
        parts = self._parts
        self._stop.check()
        self._letters = self._open_letters(stack)
        self._start, self._sender = parts.target.begin(
            known, stop=self._stop, on_acknowledged=self._note_acknowledged, on_statistics=self._note_statistics
        )
        stack.callback(self._sender.close)
        # Now that the predecessor is locked out, or the partition has been at rest: its letters are no younger.
        dead = self._sent_dead_lines(self._letters, known) if self._letters is not None else frozenset()
        check_gaps(self._start, known, sorted(dead), before_line=parts.source.begin.line)
        self._tell_start(known)
        self._checkpoint = self._first_checkpoint(known)
        self._save_first()
        self._keeper = CheckpointWriter(
            parts.checkpoints,
            owner=parts.owner,
            interval=parts.settings.checkpoint_interval,
            interval_s=parts.settings.checkpoint_interval_s,
        )
        self._keeper.start()

    def _sent_dead_lines(self, letters: DeadLetters, known: Checkpoint | None) -> frozenset[int]:
        """Return the lines whose letters Kafka has; a job without checkpoint and records has sent none before."""
        first = known is None and not self._start.sent
        queued_until = 0.0 if first else self._parts.dead_letters_in_flight.queued_until(known)
        self._letter_topic.wait_for_late_requests(queued_until)
        return letters.find_sent_lines()

    def _tell_start(self, known: Checkpoint | None) -> None:
        start = self._start
        _log.info(
            "behind row %d, with %d records in the log from offset %d on",
            start.last_line,
            start.sent,
            start.first_offset,
        )
        if known is None and start.sent:
            _log.warning(
                "the partition already held %d rows of this source that no checkpoint of this job knows of: its "
                "checkpoint is lost, or another job has sent them; it goes on behind row %d",
                start.sent,
                start.last_line,
            )

    def _stopped(self, known: Checkpoint | None) -> Checkpoint:
        """Return what a job has come to that was stopped before it had begun.

        It is not saved: by its status the next start would take the log for one that was drained.
        """
        if known is not None:
            return replace(known, status=JobStatus.STOPPED)
        return Checkpoint(
            job_id=self._parts.job_id,
            last_line=self._parts.source.begin.line,
            timestamp=datetime.now(UTC),
            status=JobStatus.STOPPED,
            topic=self._parts.settings.kafka_topic,
            partition=self._parts.partition,
            first_offset=0,
        )

    def _known(self) -> Checkpoint | None:
        try:
            return self._parts.checkpoints.load(self._parts.job_id)
        except CheckpointsUnavailableError as error:
            if self._remembered is None:
                raise
            _log.warning("going on by what this process remembers: %s", error)
            return self._remembered

    def _save_first(self) -> None:
        """Save a checkpoint before the first record: whoever comes after a crash has to find the first offset."""
        try:
            self._parts.checkpoints.save(self._checkpoint, owner=self._parts.owner)
        except CheckpointsUnavailableError:
            if self._remembered is None:
                raise
        else:
            self._parts.progress.checkpoint_at = time.time()
        if self._remembered is None:
            self._parts.progress.dead_lettered_before = self._checkpoint.dead_lettered
        self._has_begun = True

    def _run_to_the_end(self) -> Checkpoint:
        source, place = self._parts.source, self._checkpoint.place
        if place.line < self._start.last_line and not self._is_beyond_limit():
            self._expected = self._start.last
        last_line = self._start.last_line - (self._expected is not None)
        self._parts.progress.bytes_read_before = source.bytes_upto(place)
        self._sending_since = time.monotonic()
        self._stop.grace_s = _LAST_CHECKPOINT_S + _CLOSING_S
        status, error = JobStatus.FAILED, "unexpected"
        try:
            with EncodedBlocks(
                lambda: source.to_encode(place=place, last_line=last_line, on_read=self._note_read)
            ) as blocks:
                try:
                    status, error = JobStatus.DONE if self._send_all(blocks) else JobStatus.STOPPED, ""
                except StopRequestedError:  # after the last row, while the partition is looked at once more
                    status, error = JobStatus.STOPPED, ""
                finally:
                    self._ended.set()
        except CsvPipeError as failure:
            error = f"{failure.code}: {failure.detail}"
            raise
        finally:
            final = replace(self._checkpoint, status=status, error=error, timestamp=datetime.now(UTC))
            self._keeper.close(final, deadline_s=_LAST_CHECKPOINT_S)
        return final

    def _is_beyond_limit(self) -> bool:
        """Return whether more rows were sent than there are to be now: nothing is read then, and nothing compared."""
        upto = self._parts.source.upto
        return upto is not None and upto < self._start.last_line

    def _send_all(self, blocks: EncodedBlocks) -> bool:
        """Send what comes; return whether that was all."""
        last_line = self._start.last_line
        done = False
        while not done and not self._stop.requested:
            try:
                encoded = blocks.take(_TAKE_S)
            except Empty:
                self._sender.poll(0)
            except CsvPipeError:
                # The rows before a bad one are right; and nothing should be in flight when the source is unavailable.
                self._sender.drain(until=self._stop.is_late)
                raise
            else:
                done = encoded is None
                if encoded is not None and self._send(self._checked(encoded)):
                    last_line = encoded.last_line
        if not self._sender.drain(until=self._stop.is_late):
            raise TemporaryFailureError(
                "there was no time to wait for Kafka; the next start finds out from the log what it has"
            )
        if done and self._expected is not None:
            raise self._not_the_same(self._expected)
        if done:  # also the rows behind the last record that was sent
            dead = last_line - self._parts.source.begin.line - self._checkpoint.total_sent
            self._checkpoint = replace(self._checkpoint, last_line=last_line, dead_lettered=dead)
            self._parts.progress.dead_lettered = dead
            self._parts.progress.last_line = last_line
            self._parts.target.check_records_kept(self._checkpoint, stop=self._stop)
        return done

    def _send(self, encoded: EncodedBlock) -> bool:
        """Send one block; False: the job is to stop first."""
        if encoded.dead and self._letters is not None and not self._send_letters(self._letters, encoded.dead):
            return False
        count, needs_lease = len(encoded.records), self._parts.target.needs_lease
        for begin, end in encoded.records.spans(most_records=BATCH_RECORDS, most_bytes=BATCH_BYTES):
            if self._stop.requested:
                return False
            whole = end == count and encoded.lines[-1] == encoded.last_line
            place = encoded.end if whole else None
            batch = encoded.records.part(begin, end)
            self._sender.wait_for_capacity(batch)
            if not self._guard.wait(
                self._sender.poll, needed=needs_lease
            ):  # last: what is queued now may be sent until it expires
                return False
            self._sender.send(batch, last_line=encoded.lines[end - 1], place=place)
            if needs_lease:
                self._guard.check_not_frozen(self._sender.close)
        return True

    def _send_letters(self, letters: DeadLetters, dead: Sequence[DeadLetter]) -> bool:
        """Send dead letters and wait until Kafka has them; False: the job is to stop first.

        They are in no transaction, so that in either mode nothing but the lease keeps two processes apart.
        """

        def is_late() -> bool:
            self._sender.poll(0)  # its records must not grow too old while the letters are waited for
            return self._stop.is_late()

        return letters.send(dead, may_send=lambda: self._guard.wait(self._sender.poll, needed=True), until=is_late)

    def _checked(self, encoded: EncodedBlock) -> EncodedBlock:
        """Return what is to be sent of a block: without its first record, where that is in the log already.

        Raises:
            ForeignRecordsError: the log has another record for that row.
        """
        expected, self._expected = self._expected, None
        if expected is None:
            return encoded
        records, lines = encoded.records, encoded.lines
        if not records or lines[0] != expected.line or next(iter(records)) != expected.value:
            raise self._not_the_same(expected)
        return replace(encoded, records=records.part(1, len(records)), lines=lines[1:])

    def _not_the_same(self, expected: LogRecord) -> ForeignRecordsError:
        return ForeignRecordsError(
            f"offset {expected.offset} of the partition holds row {expected.line} of {expected.source_file}, and not "
            "as the source has it now: the log is that of another source of this name, or of another schema. Take an "
            "empty partition, or start behind it with --append",
            offset=expected.offset,
            row=expected.line,
        )

    def _open_letters(self, stack: ExitStack) -> DeadLetters | None:
        """Open the dead-letter topic, where bad rows go there."""
        parts = self._parts
        if parts.settings.on_bad_row != "dead-letter":
            return None
        self._letter_topic = DeadLetterTopic(parts.client, settings=parts.settings, stop=self._stop)
        letters = DeadLetters(
            parts.client,
            topic=parts.settings.dlq,
            job_id=parts.job_id,
            etags={name: etag for name, _, etag in parts.source.identity},
            compression=parts.settings.compression,
            level=parts.settings.compression_level,
            delivery_timeout_s=parts.settings.delivery_timeout_s,
            expiry_s=parts.settings.expiry_s,
            stop=self._stop,
            in_flight=parts.dead_letters_in_flight,
            max_batch_bytes=self._letter_topic.max_batch_bytes,
        )
        stack.callback(letters.close)
        return letters

    def _first_checkpoint(self, known: Checkpoint | None) -> Checkpoint:
        parts, start = self._parts, self._start
        extra = {} if known is None else known.extra
        if known is None and start.sent:
            extra = {FOUND_RECORDS: start.sent}
        return Checkpoint(
            job_id=parts.job_id,
            last_line=start.last_line,
            total_sent=start.sent,
            dead_lettered=start.last_line - parts.source.begin.line - start.sent,
            timestamp=datetime.now(UTC),
            topic=parts.settings.kafka_topic,
            partition=parts.partition,
            first_offset=start.first_offset,
            place=start.place if start.place != START else parts.source.begin,
            sources=parts.source.identity,
            extra={
                **extra,
                "mode": parts.settings.mode,
                "span": [*parts.source.span],
                **describe_dialects(parts.source.heads),
            },
        )

    def _note_acknowledged(self, acknowledged: Acknowledged) -> None:
        sent = self._start.sent + acknowledged.records
        self._checkpoint = replace(
            self._checkpoint,
            last_line=acknowledged.last_line,
            total_sent=sent,
            first_offset=self._start.first_offset if self._start.sent else acknowledged.first_offset,
            dead_lettered=acknowledged.last_line - self._parts.source.begin.line - sent,
            place=acknowledged.place or self._checkpoint.place,
            timestamp=datetime.now(UTC),
            extra={**self._checkpoint.extra, "last_offset": acknowledged.offset},
        )
        progress = self._parts.progress
        progress.records_sent = self._sent_before + acknowledged.records
        progress.bytes_sent = self._bytes_before + acknowledged.size_bytes
        progress.sending_s = self._seconds_before + time.monotonic() - self._sending_since
        progress.last_line = acknowledged.last_line
        progress.dead_lettered = self._checkpoint.dead_lettered
        progress.retries = self._sender.retries
        progress.checkpoint_at = self._keeper.saved_at or progress.checkpoint_at
        self._keeper.offer(self._checkpoint)

    def _note_statistics(self, text: str) -> None:
        self._parts.progress.statistics = json.loads(text)

    def _note_read(self, bytes_read: int) -> None:
        """Note how much was read; in the thread that reads, which ends here when nobody wants more."""
        if self._ended.is_set():
            raise StoppedError
        self._parts.progress.bytes_read = bytes_read
