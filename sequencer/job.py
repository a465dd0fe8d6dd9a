"""A job: holds its lease, and tries again what a service's being away has stopped."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

from sequencer.attempt import Attempt, JobParts
from sequencer.errors import LeaseHeldError, LeaseLostError, TryAgainError
from sequencer.lease import Lease
from sequencer.model import Checkpoint
from sequencer.stopping import StopRequest

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_TICK_S = 0.2


def run_job(parts: JobParts, stop: StopRequest) -> Checkpoint:
    """Send the rows of a job until all are sent or ``stop`` is requested; return the last checkpoint.

    Raises:
        LeaseHeldError: another process runs it.
        TryAgainError: a service was away for longer than the retries last.
        SequencerError: the job cannot go on by itself.
    """
    settings, progress = parts.settings, parts.progress
    progress.started_at = time.time()
    lease: Lease | None = None
    remembered: Checkpoint | None = None
    tries = 0
    with ExitStack() as stack:
        while True:
            sent_before = progress.records_sent
            attempt: Attempt | None = None
            try:
                if lease is None:
                    lease = stack.enter_context(_lease_of(parts))
                _wait_for_lease(lease, stop)
                attempt = Attempt(parts, lease=lease, stop=stop, remembered=remembered)
                return attempt.run()
            except (LeaseHeldError, LeaseLostError):
                raise
            except TryAgainError as error:
                if lease is not None:
                    lease.check()
                remembered = (attempt.checkpoint if attempt else None) or remembered
                progress.errors += 1
                tries = 1 if progress.records_sent > sent_before else tries + 1
                if tries > settings.retries or stop.requested:
                    raise
                wait_s = pause_s(tries)
                _log.warning("%s; try %d of %d in %.1f s", error.detail, tries, settings.retries, wait_s)
                if stop.wait(wait_s):
                    raise


def pause_s(tries: int) -> float:
    """Return how many seconds to wait after so many failed tries, the first of which is 1."""
    return min(_FIRST_WAIT_S * 2.0 ** (tries - 1), _LONGEST_WAIT_S)


def _lease_of(parts: JobParts) -> Lease:
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
            raise TryAgainError("the job is to end, and its lease is not renewed: nothing was sent since the last try")
