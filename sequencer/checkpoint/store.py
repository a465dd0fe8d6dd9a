"""Where jobs note how far they have come, and who runs them: one item for each job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sequencer.model.checkpoint import Checkpoint


class CheckpointStore(Protocol):
    """Checkpoints and leases. They share an item and nothing else: saving the one leaves the other as it is.

    Every method raises :class:`sequencer.errors.CheckpointsUnavailableError` if the store does not answer. Times are
    seconds since 1970.
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

    def acquire_lease(
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

    def release_lease(self, job_id: str, *, owner: str) -> None:
        """Give the lease up, where ``owner`` holds it."""
