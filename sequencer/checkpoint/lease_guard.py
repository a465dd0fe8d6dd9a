"""Lets records be queued only while the lease is safe, and finds out where the process stood still in between."""

from __future__ import annotations

import time
from collections.abc import Callable

from sequencer.checkpoint.lease import Lease
from sequencer.errors import LeaseLostError
from sequencer.shutdown import StopRequest

_POLL_S = 0.2


class LeaseGuard:
    """What an attempt asks before and after it queues records.

    Args:
        lease: of the job.
        stop: the request to end early.
        expiry_s: how long a record that was queued may still be sent.
    """

    def __init__(self, lease: Lease, *, stop: StopRequest, expiry_s: float) -> None:
        self._lease = lease
        self._stop = stop
        self._expiry_s = expiry_s
        self._safe_at = (0.0, 0.0)

    def wait(self, poll: Callable[[float], None], *, needed: bool) -> bool:
        """Go on only as the holder of the lease (True); False: the job is to stop first.

        Args:
            poll: takes acknowledgements meanwhile, for so many seconds.
            needed: whether to wait until the lease is safe; what Kafka fences by itself need not.

        Raises:
            LeaseLostError: another process has taken it.
        """
        self._lease.check()
        self._safe_at = _clocks()
        while needed and not self._lease.is_safe():
            if self._stop.requested:
                return False
            poll(_POLL_S)
            self._lease.check()
            self._safe_at = _clocks()
        return True

    def check_not_frozen(self, throw_away: Callable[[], None]) -> None:
        """Throw away what was queued since :meth:`wait` if the process was frozen meanwhile, beyond its lease.

        Its timestamps may be those of the awakening, which Kafka does not refuse. The client waits for more records
        (``linger.ms``) before it sends what is not a full request.

        Raises:
            LeaseLostError: it was frozen.
        """
        frozen_s = max(now - then for now, then in zip(_clocks(), self._safe_at, strict=True))
        if frozen_s > self._expiry_s:
            throw_away()
            raise LeaseLostError(
                f"this process stood still for {frozen_s:.0f} s, longer than it may rely on its lease: nothing more is "
                "sent, as another process may run the job"
            )


def _clocks() -> tuple[float, float]:
    """Return both clocks: neither may be trusted alone."""
    return time.time(), time.monotonic()
