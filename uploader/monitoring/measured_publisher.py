"""A publisher that is timed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from contracts.message import ChunkMessage
from uploader.kafka.publisher import Publisher, PublishResult
from uploader.monitoring.metrics import UploaderMetrics


class MeasuredPublisher:
    """Delegates to another publisher, and counts and times what it does."""

    def __init__(self, publisher: Publisher, *, metrics: UploaderMetrics) -> None:
        self._publisher = publisher
        self._metrics = metrics

    def publish(
        self, messages: Sequence[ChunkMessage], *, timeout_s: float, traceparent: str | None = None
    ) -> PublishResult:
        """Publish ``messages``; see :class:`uploader.kafka.publisher.Publisher`."""
        started = time.perf_counter()
        outcome = self._publisher.publish(messages, timeout_s=timeout_s, traceparent=traceparent)
        self._metrics.count_publish(outcome, messages=len(messages), duration_s=time.perf_counter() - started)
        return outcome

    def check(self, *, timeout_s: float) -> None:
        """Return if Kafka answers.

        Raises:
            PublishError: it does not.
        """
        self._publisher.check(timeout_s=timeout_s)

    def close(self, *, timeout_s: float) -> None:
        """Flush buffered messages and disconnect."""
        self._publisher.close(timeout_s=timeout_s)
