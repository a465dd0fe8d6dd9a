"""Lets records be queued only while the lease is safe, and detects that the process was suspended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sequencer.checkpoint.clock import Clock
from sequencer.errors import LeaseLostError
from sequencer.shutdown import StopRequest

_POLL_S = 0.2


class HeldLease(Protocol):
    """A lease that this process holds: see :class:`sequencer.checkpoint.lease.Lease`."""

    def check(self) -> None:
        """Check that the lease is not lost."""

    def is_safe(self) -> bool:
        """Return whether records may be queued."""


class LeaseGuard:
    """Checks the lease before and after records are queued.

    Args:
        lease: the lease of the job.
        stop: the stop request.
        expiry_s: how long a queued record may still be sent.
        clock: the clocks of this machine.
    """

    def __init__(
        self,
        lease: HeldLease,
        *,
        stop: StopRequest,
        expiry_s: float,
        clock: Clock = Clock(),  # noqa: B008  immutable
    ) -> None:
        self._lease = lease
        self._stop = stop
        self._expiry_s = expiry_s
        self._clock = clock
        self._safe_at = (0.0, 0.0)

    def wait_until_safe(self, poll: Callable[[float], None], *, needed: bool) -> bool:
        """Wait until the lease is safe; return False if a stop was requested before that.

        Args:
            poll: handles acknowledgements meanwhile, for the given number of seconds.
            needed: whether to wait at all; records that Kafka fences need no lease.

        Raises:
            LeaseLostError: another process has acquired it.
        """
        self._lease.check()
        self._safe_at = self._clock.both()
        while needed and not self._lease.is_safe():
            if self._stop.requested:
                return False
            poll(_POLL_S)
            self._lease.check()
            self._safe_at = self._clock.both()
        return True

    def check_not_suspended(self, discard: Callable[[], None]) -> None:
        """Discard what was queued since :meth:`wait_until_safe` if the process was suspended beyond its lease.

        The records may have timestamps of the time after that, which Kafka does not reject. The client waits for more
        records (``linger.ms``) before it sends an incomplete request.

        Raises:
            LeaseLostError: the process was suspended.
        """
        suspended_s = max(now - then for now, then in zip(self._clock.both(), self._safe_at, strict=True))
        if suspended_s > self._expiry_s:
            discard()
            raise LeaseLostError(
                f"this process was suspended for {suspended_s:.0f} s, longer than its lease is safe: nothing more is "
                "sent, as another process may run the job"
            )
