"""Where jobs note how far they have come, and who runs them: one item for each job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from sequencer.errors import LeaseHeldError, LeaseLostError, TryAgainError
from sequencer.model import Checkpoint
from sequencer.settings import JobSettings


class CheckpointsUnavailableError(TryAgainError):
    """The store does not answer, or tells us to slow down."""

    code = "checkpoints_unavailable"
    title = "Checkpoints not reachable"


class CheckpointStore(Protocol):
    """Checkpoints and leases. They share an item and nothing else: saving the one leaves the other as it is.

    Every method raises :class:`CheckpointsUnavailableError` where the store does not answer. Times are seconds since
    1970.
    """

    def load(self, job_id: str) -> Checkpoint | None:
        """Return the last checkpoint of a job."""

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        """Keep a checkpoint, if ``owner`` holds the lease.

        Raises:
            LeaseLostError: somebody else holds it, or nobody.
        """

    def delete(self, job_id: str) -> None:
        """Forget a job, its lease included."""

    def take_lease(
        self, job_id: str, *, owner: str, now: float, lease_s: float, is_dead: Callable[[str], bool]
    ) -> None:
        """Take the lease until ``now + lease_s``, if it is free, run out, the owner's own, or that of a dead process.

        Raises:
            LeaseHeldError: somebody else holds it.
        """

    def renew_lease(self, job_id: str, *, owner: str, until: float) -> None:
        """Hold the lease until ``until``.

        Raises:
            LeaseLostError: somebody else holds it, or nobody.
        """

    def drop_lease(self, job_id: str, *, owner: str) -> None:
        """Give the lease up, where ``owner`` holds it."""


def open_checkpoints(settings: JobSettings) -> CheckpointStore:
    """Return the store that the settings name: a DynamoDB table, or a local file.

    Raises:
        JobSettingsError: there is no such table, or the file cannot be made.
        CheckpointsUnavailableError: it does not answer.
    """
    if settings.checkpoint_table:
        from sequencer.dynamodb_checkpoint import DynamoDbCheckpoints, dynamodb_client

        return DynamoDbCheckpoints(dynamodb_client(settings), table=settings.checkpoint_table)
    from sequencer.sqlite_checkpoint import SqliteCheckpoints

    return SqliteCheckpoints(settings.checkpoint_file)


def lease_held(job_id: str, owner: str, until: float) -> LeaseHeldError:
    """Return the error that names who runs a job, and until when."""
    moment = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
    return LeaseHeldError(
        f"job {job_id} is run by {owner}, whose lease lasts until {moment}. If that process is gone, start again then; "
        "it renews its lease as long as it runs",
        owner=owner,
        lease_until=moment,
    )


def lease_lost(job_id: str, owner: str) -> LeaseLostError:
    """Return the error of a process that does not hold the lease any more."""
    return LeaseLostError(f"{owner} does not hold the lease of job {job_id} any more: another process may run it")
