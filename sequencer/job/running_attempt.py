"""An attempt that has found its resume point: sends blocks until the end of the source or a stop request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.checkpoint.lease_guard import LeaseGuard
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.input.encoded_blocks import Empty, EncodedBlocks
from sequencer.input.job_input import JobInput
from sequencer.job.dead_letters import DeadLetters
from sequencer.job.last_record_check import LastRecordCheck
from sequencer.job.progress_recorder import ProgressRecorder
from sequencer.job.resume_point import ResumePoint
from sequencer.job.target import RecordSender, Target
from sequencer.kafka.sender import BATCH_BYTES, BATCH_RECORDS
from sequencer.model.blocks import DeadLetter, EncodedBlock
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.shutdown import StopRequest, StopRequestedError

_TAKE_S = 0.2
_CLOSING_S = 5.0


@dataclass(frozen=True, kw_only=True)
class RunningAttempt:
    """Sends what is left of a job's rows.

    Attributes:
        source: the input of the job.
        target: the partition, in the job's mode.
        sender: sends the records.
        dead_letters: sends bad rows, or None if they fail the job.
        guard: lets records be queued only while the lease is safe.
        stop: the stop request.
        start: the resume point.
        recorder: records the progress.
        writer: saves checkpoints.
        progress: counters of the job.
        last_record: compares the last record in the partition with its row.
        last_checkpoint_s: how long to try to save the last checkpoint.
    """

    source: JobInput
    target: Target
    sender: RecordSender
    dead_letters: DeadLetters | None
    guard: LeaseGuard
    stop: StopRequest
    start: ResumePoint
    recorder: ProgressRecorder
    writer: CheckpointWriter
    progress: Progress
    last_record: LastRecordCheck
    last_checkpoint_s: float

    def run(self) -> Checkpoint:
        """Send until the end or until a stop is requested; save and return the last checkpoint.

        Raises:
            CsvPipeError: sending has failed; the checkpoint records the error.
        """
        place = self.recorder.checkpoint.place
        last_line = self.start.last_line - self.last_record.is_pending
        self.progress.bytes_read_before = self.source.bytes_upto(place)
        self.stop.grace_s = self.last_checkpoint_s + _CLOSING_S
        status, error = JobStatus.FAILED, "unexpected"
        try:
            with EncodedBlocks(
                lambda: self.source.to_encode(place=place, last_line=last_line, on_read=self.recorder.note_read)
            ) as blocks:
                try:
                    status, error = JobStatus.DONE if self._send_all(blocks) else JobStatus.STOPPED, ""
                except StopRequestedError:  # after the last row, while the partition is checked once more
                    status, error = JobStatus.STOPPED, ""
                finally:
                    self.recorder.end_reading()
        except CsvPipeError as failure:
            error = f"{failure.code}: {failure.detail}"
            raise
        finally:
            final = self.recorder.final(status, error)
            self.writer.close(final, deadline_s=self.last_checkpoint_s)
        return final

    def _send_all(self, blocks: EncodedBlocks) -> bool:
        """Send the blocks; return whether the end of the source was reached."""
        last_line = self.start.last_line
        done = False
        while not done and not self.stop.requested:
            try:
                encoded = blocks.take(_TAKE_S)
            except Empty:
                self.sender.poll(0)
            except CsvPipeError:
                # The rows before a bad one are right, and nothing should be in flight while the source is unavailable.
                self.sender.drain(until=self.stop.is_late)
                raise
            else:
                done = encoded is None
                if encoded is not None and self._send(self.last_record.without_known_record(encoded)):
                    last_line = encoded.last_line
        if not self.sender.drain(until=self.stop.is_late):
            raise TemporaryFailureError(
                "there was no time to wait for Kafka; the next run recovers its position from the partition"
            )
        if done:
            self.last_record.check_compared()
            self.recorder.note_end_of_source(last_line)
            self.target.check_records_kept(self.recorder.checkpoint, stop=self.stop)
        return done

    def _send(self, encoded: EncodedBlock) -> bool:
        """Send one block; return False if the job is to stop before its end."""
        if encoded.dead and self.dead_letters is not None and not self._send_dead(self.dead_letters, encoded.dead):
            return False
        count, needs_lease = len(encoded.records), self.target.needs_lease
        for begin, end in encoded.records.batch_bounds(max_records=BATCH_RECORDS, max_bytes=BATCH_BYTES):
            if self.stop.requested:
                return False
            whole = end == count and encoded.lines[-1] == encoded.last_line
            place = encoded.end if whole else None
            batch = encoded.records.slice(begin, end)
            self.sender.wait_for_capacity(batch)
            # Last, as what is queued now may be sent until it expires.
            if not self.guard.wait_until_safe(self.sender.poll, needed=needs_lease):
                return False
            self.sender.send(batch, last_line=encoded.lines[end - 1], place=place)
            if needs_lease:
                self.guard.check_not_suspended(self.sender.close)
        return True

    def _send_dead(self, dead_letters: DeadLetters, dead: Sequence[DeadLetter]) -> bool:
        """Send dead letters and wait until they are acknowledged; return False if the job is to stop before that.

        They are sent outside of transactions, so in both modes only the lease keeps a second process from sending.
        """

        def is_late() -> bool:
            self.sender.poll(0)  # its records must not grow too old while waiting for the dead letters
            return self.stop.is_late()

        return dead_letters.send(
            dead, may_send=lambda: self.guard.wait_until_safe(self.sender.poll, needed=True), until=is_late
        )
