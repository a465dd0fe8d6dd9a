"""The dead-letter topic of a job: checked, fenced, and with no late request on its way to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from sequencer.job.in_flight import QueueingSender, arrived_by, fence_late_requests
from sequencer.kafka.client import ClientConfig
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import Sender
from sequencer.kafka.topic_options import topic_options
from sequencer.kafka.topic_requirements import check_topic
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest


class DeadLetterReader(Protocol):
    """Reads the dead-letter topic: see :class:`sequencer.kafka.partition_reader.PartitionReader`."""

    def ends(self) -> tuple[int, int]:
        """Return the first offset and the next one."""

    def values(self, begin: int, high: int) -> Iterable[bytes]:
        """Yield the values from ``begin`` to ``high``, exclusive."""

    def wait(self, seconds: float) -> None:
        """Wait, unless a stop is requested."""

    def close(self) -> None:
        """Close the connection."""


class DeadLetterSender(QueueingSender, Protocol):
    """Sends dead letters: see :class:`sequencer.kafka.sender.Sender`."""

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch."""

    def drain(self, *, until: Callable[[], bool]) -> bool:
        """Wait until every record is acknowledged; return False if ``until`` returned true before that."""

    def close(self) -> None:
        """Drop what was not sent."""


class DeadLetterClients(Protocol):
    """Opens what reads and writes the dead-letter topic."""

    @property
    def partition(self) -> PartitionRef:
        """The partition that dead letters go to."""

    def open_reader(self) -> DeadLetterReader:
        """Open a reader."""

    def open_sender(self) -> DeadLetterSender:
        """Open a sender."""


class DeadLetterTopic:
    """The dead-letter topic of a job.

    Args:
        client: connection properties.
        settings: settings of the job.
        stop: the stop request.

    Raises:
        TopicError: the topic does not exist.
        SettingsError: the topic cannot be used.
        StopRequestedError: a stop was requested.
    """

    def __init__(self, client: ClientConfig, *, settings: JobSettings, stop: StopRequest) -> None:
        self._client = client
        self._settings = settings
        self._stop = stop
        self.partition = PartitionRef(settings.dlq)
        with closing(self.open_reader()) as reader:
            reader.ends()  # fails if the topic does not exist
        self._options = topic_options(client, settings.dlq, stop=stop)
        check_topic(
            self._options,
            topic=settings.dlq,
            replicas=reader.replicas,
            require_durable=settings.require_durable_topic,
        )

    def open_reader(self) -> PartitionReader:
        """Open a reader of the topic."""
        return PartitionReader(self._client, self.partition, stop=self._stop)

    def open_sender(self) -> Sender:
        """Open a sender to the topic."""
        options = ProducerOptions.of(self._settings, self._client)
        return Sender(
            replace(options, max_batch_bytes=self._options.number("max.message.bytes")),
            self.partition,
            next_offset=None,
            on_acknowledged=lambda _: None,
        )

    def wait_for_late_requests(self, queued_until: float) -> None:
        """Wait until no dead letter that was queued until then can still arrive (:mod:`sequencer.job.in_flight`).

        Raises:
            StopRequestedError: a stop was requested.
        """
        in_flight_s = fence_late_requests(
            self._client, self.partition.topic, settings=self._settings, options=self._options, stop=self._stop
        )
        with closing(self.open_reader()) as reader:
            reader.wait_until(arrived_by(queued_until, in_flight_s))
