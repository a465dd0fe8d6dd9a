"""Requests that may still be in flight to Kafka when an attempt starts, of the last attempt or the last process."""

from __future__ import annotations

import time
from typing import Protocol

from sequencer.kafka.client import ClientConfig
from sequencer.kafka.timestamp_fence import fence_topic
from sequencer.kafka.topic_options import Options
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

CLOCK_DIFFERENCE_S = 2.0
"""How far the clocks of brokers and machines may differ for the fence to be exact."""


class QueueingSender(Protocol):
    """A sender that reports when it last queued a record."""

    @property
    def queued_until(self) -> float:
        """When a record was last queued (Unix time), or 0 if every record is acknowledged."""


class InFlight:
    """What a job may have in flight to one topic, over all attempts of this process."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._sender: QueueingSender | None = None

    def track(self, sender: QueueingSender) -> None:
        """Track the sender of a new attempt; by then, all earlier requests have arrived or are rejected."""
        self._sender = sender

    def queued_until(self, checkpoint: Checkpoint | None) -> float:
        """Return the time (Unix time) after which nothing was queued that may still arrive, or 0 if all has arrived.

        Called by the holder of the lease: the previous process queued nothing after losing it. A checkpoint with the
        status "stopped" or "done" is saved after Kafka has acknowledged everything, one with "failed" after its process
        has dropped its queue.
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


def fence_late_requests(
    client: ClientConfig, topic: str, *, settings: JobSettings, options: Options, stop: StopRequest
) -> float:
    """Make the topic reject late requests, if possible; return how long a request may be in flight, in seconds.

    Raises:
        StopRequestedError: a stop was requested.
        TemporaryFailureError: Kafka does not answer.
    """
    limit_s = fence_topic(
        client,
        topic=topic,
        expiry_s=settings.expiry_s,
        may_set=settings.fence,
        stop=stop,
        options=options,
    )
    return settings.lease_s if limit_s is None else limit_s + CLOCK_DIFFERENCE_S


def arrived_by(queued_until: float, in_flight_s: float) -> float:
    """Return the time after which no request queued until ``queued_until`` can arrive, or 0 if all have arrived.

    Args:
        queued_until: from :meth:`InFlight.queued_until`.
        in_flight_s: from :func:`fence_late_requests`.
    """
    return queued_until + in_flight_s if queued_until else 0.0
