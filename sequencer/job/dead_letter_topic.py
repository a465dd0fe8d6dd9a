"""The topic of the dead letters, as a job finds it: checked, fenced, and with no late letter on its way to it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from sequencer.job.in_flight import arrived_by
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.kafka.timestamp_fence import fence
from sequencer.kafka.topic_options import topic_options
from sequencer.kafka.topic_requirements import check_topic
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

_PARTITION = 0


class DeadLetterTopic:
    """The dead-letter topic of a job.

    Args:
        client: librdkafka's configuration of the connection.
        settings: of the job.
        stop: the request to end early.

    Raises:
        TopicError: there is no such topic.
        SettingsError: it cannot be used.
        StopRequestedError: ``stop`` came first.
    """

    def __init__(self, client: dict[str, Any], *, settings: JobSettings, stop: StopRequest) -> None:
        self._client = client
        self._settings = settings
        self._stop = stop
        with self._opened() as log:
            log.ends()  # is it there?
        self._options = topic_options(client, settings.dlq, stop=stop)
        self.max_batch_bytes = self._options.number("max.message.bytes")
        check_topic(
            self._options,
            topic=settings.dlq,
            replicas=log.replicas,
            require_durable=settings.require_durable_topic,
        )

    def wait_for_late_requests(self, queued_until: float) -> None:
        """Wait until no letter that was queued until then can arrive any more (:mod:`sequencer.job.in_flight`).

        Raises:
            StopRequestedError: ``stop`` came first.
        """
        settings = self._settings
        limit_s = fence(
            self._client,
            topic=settings.dlq,
            expiry_s=settings.expiry_s,
            may_set=settings.fence,
            stop=self._stop,
            options=self._options,
        )
        with self._opened() as log:
            log.wait_until(arrived_by(queued_until, limit_s=limit_s, unfenced_s=settings.lease_s))

    def _opened(self) -> closing[PartitionReader]:
        return closing(PartitionReader(self._client, topic=self._settings.dlq, partition=_PARTITION, stop=self._stop))
