"""A job: holds its lease, and retries attempts that failed because a service was unavailable."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from contracts.backoff import Backoff
from contracts.errors import TemporaryFailureError
from sequencer.checkpoint.lease import Lease
from sequencer.checkpoint.lease_guard import HeldLease
from sequencer.errors import LeaseHeldError, LeaseLostError
from sequencer.job.attempt import JobParts, run_attempt
from sequencer.job.progress_recorder import Memory
from sequencer.model.checkpoint import Checkpoint
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
RETRY_BACKOFF = Backoff(0.5, 30.0)


class RunAttempt(Protocol):
    """Runs one attempt of a job: see :func:`sequencer.job.attempt.run_attempt`."""

    def __call__(self, parts: JobParts, *, lease: HeldLease, stop: StopRequest, memory: Memory) -> Checkpoint:
        """Return the last checkpoint of the attempt."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How a job waits.

    Attributes:
        backoff: pauses between attempts.
        lease_poll_s: how often a lease that another process holds is requested.
        tick_s: how often the job's own lease is checked until it is renewed.
    """

    backoff: Backoff = RETRY_BACKOFF
    lease_poll_s: float = 1.0
    tick_s: float = 0.2


def run_job(
    parts: JobParts,
    stop: StopRequest,
    *,
    run_attempt: RunAttempt = run_attempt,
    waiting: Waiting = Waiting(),
) -> Checkpoint:
    """Send the rows of a job until all are sent or a stop is requested; return the last checkpoint.

    Args:
        parts: parts of the job.
        stop: the stop request.
        run_attempt: runs one attempt.
        waiting: how the job waits.

    Raises:
        LeaseHeldError: another process holds the lease for longer than LEASE_WAIT_S.
        StopRequestedError: a stop was requested while another process held the lease.
        TemporaryFailureError: a service was unavailable for longer than the retries last.
        CsvPipeError: the job cannot continue without an operator.
    """
    settings, progress = parts.settings, parts.progress
    progress.started_at = time.time()
    lease: Lease | None = None
    memory = Memory()
    attempts = 0
    progressed_at = float("-inf")
    with ExitStack() as stack:
        while True:
            sent_before = progress.records_sent
            try:
                if lease is None:
                    lease = _acquire_lease(parts, stack, stop, waiting)
                _wait_for_renewal(lease, stop, waiting)
                return run_attempt(parts, lease=lease, stop=stop, memory=memory)
            except (LeaseHeldError, LeaseLostError):
                raise
            except TemporaryFailureError as error:
                if lease is not None:
                    lease.check()
                progress.errors += 1
                if progress.records_sent > sent_before:
                    attempts, progressed_at = 0, time.monotonic()
                attempts += 1
                if stop.requested or not _may_retry(settings, attempts, time.monotonic() - progressed_at):
                    raise
                wait_s = waiting.backoff.wait_s(attempts)
                _log.warning(
                    "Attempt failed; retrying",
                    extra={
                        "job_id": parts.job_id,
                        "error": error.detail,
                        "attempt": attempts,
                        "retries": settings.retries,
                        "wait_s": wait_s,
                    },
                )
                if stop.wait(wait_s):
                    raise


def _may_retry(settings: JobSettings, attempts: int, since_progress_s: float) -> bool:
    """Return whether a job may retry after ``attempts`` failures in a row, this long after its last progress."""
    return attempts <= settings.retries or (settings.retries > 0 and since_progress_s < settings.retry_for_s)


def _acquire_lease(parts: JobParts, stack: ExitStack, stop: StopRequest, waiting: Waiting) -> Lease:
    """Acquire the lease, waiting up to LEASE_WAIT_S for the process that holds it.

    Raises:
        LeaseHeldError: it still holds it then.
        StopRequestedError: a stop was requested.
    """
    deadline = time.monotonic() + parts.settings.lease_wait
    logged_owner = ""
    while True:
        try:
            return stack.enter_context(_new_lease(parts))
        except LeaseHeldError as held:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise
            owner = str(held.extra["owner"])
            if logged_owner != owner:
                _log.warning(
                    "Another process holds the lease; waiting for it",
                    extra={
                        "job_id": parts.job_id,
                        "owner": owner,
                        "lease_until": held.extra["lease_until"],
                        "duration_s": round(remaining_s),
                    },
                )
                logged_owner = owner
            stop.wait(min(waiting.lease_poll_s, remaining_s))
            stop.check()


def _new_lease(parts: JobParts) -> Lease:
    settings = parts.settings
    return Lease(
        parts.checkpoints,
        job_id=parts.job_id,
        owner=parts.owner,
        lease_s=settings.lease_s,
        expiry_s=settings.expiry_s,
        clock=parts.clock,
    )


def _wait_for_renewal(lease: HeldLease, stop: StopRequest, waiting: Waiting) -> None:
    """Wait until the store has confirmed the lease: another process may run the job since the last attempt."""
    while not lease.is_safe():
        lease.check()
        if stop.wait(waiting.tick_s):
            raise TemporaryFailureError(
                "the job was stopped before its lease was renewed: nothing was sent since the last attempt"
            )
