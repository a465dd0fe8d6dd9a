"""Why a job stops: each error has the exit code that tells whoever started it what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Self

from contracts.errors import CsvPipeError


class SequencerError(CsvPipeError):
    """Base of all; ``exit_code`` is one of BSD's ``sysexits.h``, and 75 alone means: start it again as it is."""

    code = "sequencer_failed"
    title = "Sequencer failed"
    exit_code: ClassVar[int] = 70


class JobUsageError(SequencerError):
    """Options that do not go together, or that this source does not allow."""

    code = "job_usage"
    title = "Wrong usage"
    exit_code = 64


class BadRowError(SequencerError):
    """The source is no CSV, or a row breaks the schema; ``row`` and ``byte`` are in ``extra`` where they are known."""

    code = "bad_row"
    title = "Bad row"
    exit_code = 65


class SourceNotFoundError(SequencerError):
    """There is no such file, object or prefix."""

    code = "source_not_found"
    title = "No such source"
    exit_code = 66


class SourceChangedError(SequencerError):
    """The object is another than the one that the job began with."""

    code = "source_changed"
    title = "Source changed"
    exit_code = 66


class StoreAnswerError(SequencerError):
    """An object store, or a cache before it, answers with something else than what was asked for; ``byte`` is known."""

    code = "store_answer"
    title = "Wrong answer of the object store"
    exit_code = 76


class TopicError(SequencerError):
    """The topic or the partition is not there."""

    code = "topic"
    title = "No such partition"
    exit_code = 73


class DataLostError(SequencerError):
    """Kafka no longer holds what it had acknowledged."""

    code = "data_lost"
    title = "Data lost in Kafka"
    exit_code = 74


class TryAgainError(SequencerError):
    """A service was away for longer than the retries last; the checkpoint is saved."""

    code = "try_again"
    title = "Try again"
    exit_code = 75


class CheckpointsUnavailableError(TryAgainError):
    """The store does not answer, or tells us to slow down."""

    code = "checkpoints_unavailable"
    title = "Checkpoints not reachable"


class LeaseHeldError(TryAgainError):
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


class LeaseLostError(TryAgainError):
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
    exit_code = 76


class OrderBrokenError(ForeignRecordsError):
    """An acknowledged offset is not the one that the record must have; ``row`` and ``offset`` are in ``extra``."""

    code = "order_broken"
    title = "Order broken"


class NotAllowedError(SequencerError):
    """Kafka, S3 or DynamoDB refuse the credentials."""

    code = "not_allowed"
    title = "Not allowed"
    exit_code = 77


class JobSettingsError(SequencerError):
    """A setting is missing or wrong; the text names it."""

    code = "configuration"
    title = "Wrong setting"
    exit_code = 78
