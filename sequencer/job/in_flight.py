"""What may still be on its way to Kafka when a job settles: of this process's last try, or of the process before it."""

from __future__ import annotations

import time

from sequencer.kafka.sender import Sender
from sequencer.model.checkpoint import Checkpoint, JobStatus

CLOCK_DIFFERENCE_S = 2.0
"""How far the clocks of brokers and machines may differ for the fence to be exact."""


class InFlight:
    """What a job may have in flight to one topic, over all tries of this process."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._sender: Sender | None = None

    def follow(self, sender: Sender) -> None:
        """Note the sender of the try that begins; what was sent before it has arrived or is refused by then."""
        self._sender = sender

    def queued_until(self, checkpoint: Checkpoint | None) -> float:
        """Return the time (seconds since 1970) after which nothing was queued that Kafka may still get; 0: all arrived.

        Asked by the holder of the lease: the process before it queued nothing after losing it. A checkpoint that says
        "stopped" or "done" is saved when Kafka has acknowledged everything, one that says "failed" when its process
        has given up what was queued.
        """
        if self._began_at is None:
            self._began_at = time.time()
        if self._sender is not None:
            return self._sender.queued_until
        if checkpoint is not None and checkpoint.status in {JobStatus.STOPPED, JobStatus.DONE}:
            return 0.0
        if checkpoint is not None and checkpoint.status is JobStatus.FAILED:
            return checkpoint.timestamp.timestamp()
        return self._began_at


def arrived_by(queued_until: float, *, limit_s: float | None, unfenced_s: float) -> float:
    """Return the time from which nothing that was queued until ``queued_until`` can be appended to the log any more.

    Args:
        queued_until: from :meth:`InFlight.queued_until`.
        limit_s: the age above which the topic refuses records (:func:`sequencer.kafka.timestamp_fence.fence`).
        unfenced_s: how long a request may be under way where the topic refuses none.
    """
    if not queued_until:
        return 0.0
    return queued_until + (unfenced_s if limit_s is None else limit_s + CLOCK_DIFFERENCE_S)
