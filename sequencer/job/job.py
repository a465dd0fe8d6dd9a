"""A job: holds its lease, and tries again what a service's being away has stopped."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

from contracts.errors import TemporaryFailureError
from sequencer.checkpoint.lease import Lease
from sequencer.errors import LeaseHeldError, LeaseLostError
from sequencer.job.attempt import Attempt, JobParts
from sequencer.model.checkpoint import Checkpoint
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_MOST_DOUBLINGS = 30
_TICK_S = 0.2
_LEASE_POLL_S = 1.0


def run_job(parts: JobParts, stop: StopRequest) -> Checkpoint:
    """Send the rows of a job until all are sent or ``stop`` is requested; return the last checkpoint.

    Raises:
        LeaseHeldError: another process runs it, for longer than LEASE_WAIT_S.
        StopRequestedError: ``stop`` came while another process held the lease.
        TemporaryFailureError: a service was away for longer than the retries last.
        CsvPipeError: the job cannot go on by itself.
    """
    settings, progress = parts.settings, parts.progress
    progress.started_at = time.time()
    lease: Lease | None = None
    remembered: Checkpoint | None = None
    attempts = 0
    progressed_at = float("-inf")
    with ExitStack() as stack:
        while True:
            sent_before = progress.records_sent
            attempt: Attempt | None = None
            try:
                if lease is None:
                    lease = _acquire_lease(parts, stack, stop)
                _wait_for_lease(lease, stop)
                attempt = Attempt(parts, lease=lease, stop=stop, remembered=remembered)
                return attempt.run()
            except (LeaseHeldError, LeaseLostError):
                raise
            except TemporaryFailureError as error:
                if lease is not None:
                    lease.check()
                remembered = (attempt.checkpoint if attempt else None) or remembered
                progress.errors += 1
                if progress.records_sent > sent_before:
                    attempts, progressed_at = 0, time.monotonic()
                attempts += 1
                if stop.requested or not _may_retry(settings, attempts, time.monotonic() - progressed_at):
                    raise
                wait_s = pause_s(attempts)
                of = f" of {settings.retries}" if attempts <= settings.retries else ""
                _log.warning("%s; try %d%s in %.1f s", error.detail, attempts, of, wait_s)
                if stop.wait(wait_s):
                    raise


def _may_retry(settings: JobSettings, attempts: int, since_progress_s: float) -> bool:
    """Return whether a job may try again that has failed so often since it got further, so many seconds ago."""
    return attempts <= settings.retries or (settings.retries > 0 and since_progress_s < settings.retry_for_s)


def pause_s(attempts: int) -> float:
    """Return how many seconds to wait after so many failed attempts, the first of which is 1."""
    return min(_FIRST_WAIT_S * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS), _LONGEST_WAIT_S)


def _acquire_lease(parts: JobParts, stack: ExitStack, stop: StopRequest) -> Lease:
    """Take the lease, waiting up to LEASE_WAIT_S for the process that holds it.

    Raises:
        LeaseHeldError: it still holds it then.
        StopRequestedError: ``stop`` came first.
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
                until = held.extra["lease_until"]
                _log.warning(
                    "job %s is run by %s, whose lease lasts until %s; waiting up to %.0f s for it",
                    parts.job_id,
                    owner,
                    until,
                    remaining_s,
                )
                logged_owner = owner
            stop.wait(min(_LEASE_POLL_S, remaining_s))
            stop.check()


def _new_lease(parts: JobParts) -> Lease:
    settings = parts.settings
    return Lease(
        parts.checkpoints,
        job_id=parts.job_id,
        owner=parts.owner,
        lease_s=settings.lease_s,
        expiry_s=settings.expiry_s,
    )


def _wait_for_lease(lease: Lease, stop: StopRequest) -> None:
    """Wait until the lease is known to be ours: another may run the job since the last attempt."""
    while not lease.is_safe():
        lease.check()
        if stop.wait(_TICK_S):
            raise TemporaryFailureError(
                "the job is to end, and its lease is not renewed: nothing was sent since the last try"
            )
