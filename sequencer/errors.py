"""Why a job stops: each error has the exit code that tells whoever started it what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from contracts.errors import CsvPipeError, TemporaryFailureError
from contracts.exit_codes import ExitCode


class SequencerError(CsvPipeError):
    """Base of all; ``exit_code`` is one of BSD's ``sysexits.h``, and 75 alone means: start it again as it is."""

    code = "sequencer_failed"
    title = "Sequencer failed"
    exit_code = ExitCode.INTERNAL


class JobUsageError(SequencerError):
    """Options that do not go together, or that this source does not allow."""

    code = "job_usage"
    title = "Wrong usage"
    exit_code = ExitCode.USAGE


class BadRowError(SequencerError):
    """The source is no CSV, or a row breaks the schema; ``row`` and ``byte`` are in ``extra`` where they are known."""

    code = "bad_row"
    title = "Bad row"
    exit_code = ExitCode.INVALID_INPUT


class SourceNotFoundError(SequencerError):
    """There is no such file, object or prefix."""

    code = "source_not_found"
    title = "No such source"
    exit_code = ExitCode.SOURCE_MISSING


class TopicError(SequencerError):
    """The topic or the partition is not there."""

    code = "topic"
    title = "No such partition"
    exit_code = ExitCode.TOPIC_MISSING


class DataLostError(SequencerError):
    """Kafka no longer holds what it had acknowledged."""

    code = "data_lost"
    title = "Data lost in Kafka"
    exit_code = ExitCode.DATA_LOST


class CheckpointsUnavailableError(TemporaryFailureError):
    """The store does not answer, or tells us to slow down."""

    code = "checkpoints_unavailable"
    title = "Checkpoints not reachable"


class LeaseHeldError(TemporaryFailureError):
    """Another process runs the job; ``owner`` and ``lease_until`` (UTC) are in ``extra``."""

    code = "lease_held"
    title = "Job is running"

    @classmethod
    def of(cls, job_id: str, *, owner: str, until: float) -> Self:
        """Return the error that names the process that runs a job, and the end of its lease (seconds since 1970)."""
        end = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
        return cls(
            f"job {job_id} is run by {owner}, whose lease lasts until {end}. If that process is gone, start again "
            "then; a running process renews its lease",
            owner=owner,
            lease_until=end,
        )


class LeaseLostError(TemporaryFailureError):
    """The lease ran out, or another process has taken it: nothing may be sent any more."""

    code = "lease_lost"
    title = "Lease lost"

    @classmethod
    def of(cls, job_id: str, *, owner: str) -> Self:
        """Return the error of a process that no longer holds the lease of its job."""
        return cls(f"{owner} no longer holds the lease of job {job_id}: another process may run it")


class ForeignRecordsError(SequencerError):
    """Somebody else writes, or has written, to a partition that the job is to have for itself."""

    code = "foreign_records"
    title = "Foreign records"
    exit_code = ExitCode.PROTOCOL


class OrderBrokenError(ForeignRecordsError):
    """An acknowledged offset is not the one that the record must have; ``row`` and ``offset`` are in ``extra``."""

    code = "order_broken"
    title = "Order broken"


class NotAllowedError(SequencerError):
    """Kafka, S3 or DynamoDB refuse the credentials."""

    code = "not_allowed"
    title = "Not allowed"
    exit_code = ExitCode.PERMISSION_DENIED
