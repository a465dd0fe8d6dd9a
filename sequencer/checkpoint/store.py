"""The store of checkpoints and leases: one item for each job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sequencer.model.checkpoint import Checkpoint


class CheckpointStore(Protocol):
    """Stores checkpoints and leases. They share an item only: saving one leaves the other unchanged.

    Every method raises :class:`sequencer.errors.CheckpointsUnavailableError` if the store does not answer. Times are
    Unix times in seconds.
    """

    def load(self, job_id: str) -> Checkpoint | None:
        """Return the last checkpoint of a job, or None."""

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        """Save a checkpoint if ``owner`` holds the lease.

        Raises:
            LeaseLostError: ``owner`` does not hold it.
        """

    def delete(self, job_id: str) -> None:
        """Delete the checkpoint and the lease of a job."""

    def acquire_lease(
        self, job_id: str, *, owner: str, now: float, lease_s: float, is_dead: Callable[[str], bool]
    ) -> None:
        """Acquire the lease until ``now + lease_s`` if it is free, expired, the owner's, or that of a dead process.

        Raises:
            LeaseHeldError: another process holds it.
        """

    def renew_lease(self, job_id: str, *, owner: str, until: float) -> None:
        """Extend the lease to ``until``.

        Raises:
            LeaseLostError: ``owner`` does not hold it.
        """

    def release_lease(self, job_id: str, *, owner: str) -> None:
        """Release the lease if ``owner`` holds it."""
