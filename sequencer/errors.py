"""Errors that end a job; the exit code of each says what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from contracts.errors import CsvPipeError, TemporaryFailureError
from contracts.exit_codes import ExitCode


class SequencerError(CsvPipeError):
    """Base of the sequencer's own errors; only exit code 75 means that the same command should be run again."""

    code = "sequencer_failed"
    title = "Sequencer failed"
    exit_code = ExitCode.INTERNAL


class JobUsageError(SequencerError):
    """Options that exclude each other, or that this source does not allow."""

    code = "job_usage"
    title = "Wrong usage"
    exit_code = ExitCode.USAGE


class BadRowError(SequencerError):
    """The source is not CSV, or a row breaks the schema; ``extra`` has ``row`` and ``byte`` if they are known."""

    code = "bad_row"
    title = "Bad row"
    exit_code = ExitCode.INVALID_INPUT


class TopicError(SequencerError):
    """The topic or the partition does not exist."""

    code = "topic"
    title = "Partition not found"
    exit_code = ExitCode.TOPIC_MISSING


class DataLostError(SequencerError):
    """Kafka no longer holds records that it had acknowledged."""

    code = "data_lost"
    title = "Data lost in Kafka"
    exit_code = ExitCode.DATA_LOST


class CheckpointsUnavailableError(TemporaryFailureError):
    """The checkpoint store does not answer, or throttles requests."""

    code = "checkpoints_unavailable"
    title = "Checkpoint store unavailable"


class LeaseHeldError(TemporaryFailureError):
    """Another process runs the job; ``extra`` has ``owner`` and ``lease_until`` (UTC)."""

    code = "lease_held"
    title = "Job is already running"

    @classmethod
    def of(cls, job_id: str, *, owner: str, until: float) -> Self:
        """Return the error that names the process that runs a job and the end of its lease, given as Unix time."""
        end = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
        return cls(
            f"job {job_id} is run by {owner}, whose lease lasts until {end}. A running process renews its lease; if "
            "that process has ended, run the job again after that time",
            owner=owner,
            lease_until=end,
        )


class LeaseLostError(TemporaryFailureError):
    """The lease has expired, or another process has acquired it: nothing more may be sent."""

    code = "lease_lost"
    title = "Lease lost"

    @classmethod
    def of(cls, job_id: str, *, owner: str) -> Self:
        """Return the error of a process that no longer holds the lease of its job."""
        return cls(f"{owner} no longer holds the lease of job {job_id}: another process may run it")


class ForeignRecordsError(SequencerError):
    """Another producer writes, or has written, to a partition that only the job may write to."""

    code = "foreign_records"
    title = "Foreign records"
    exit_code = ExitCode.PROTOCOL


class OrderBrokenError(ForeignRecordsError):
    """A record has another offset than expected; ``extra`` has ``row`` and ``offset``."""

    code = "order_broken"
    title = "Order broken"
