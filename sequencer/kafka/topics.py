"""Creates the missing topics of a job, if CREATE_TOPIC asks for it."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own examples do so

from contracts.errors import TemporaryFailureError
from sequencer.errors import TopicError
from sequencer.kafka.client import CLIENT_LOG, ClientConfig, open_client
from sequencer.kafka.errors import error_of
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.kafka.topic_options import wait_for_answer
from sequencer.model.partition import PartitionRef
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_CALL_S = 30.0
_POLL_S = 0.2


def create_topics_if_missing(client: ClientConfig, topics: dict[str, int], *, stop: StopRequest | None = None) -> None:
    """Create missing topics with the broker's default replication and options.

    Args:
        client: connection properties.
        topics: number of partitions of each topic.
        stop: the stop request.

    Raises:
        StopRequestedError: a stop was requested.
        CsvPipeError: a topic cannot be created, or Kafka does not answer.
        TemporaryFailureError: a new topic does not become known to the brokers in time.
    """
    # Looked up first: that reports a failed authentication immediately, and existing topics need no permission.
    missing = {name: count for name, count in topics.items() if not _exists(client, name, stop)}
    if not missing:
        return
    try:
        # A reference is kept: without it the answers would be lost.
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        made = admin.create_topics([NewTopic(name, count) for name, count in missing.items()])
        for name, future in made.items():
            _wait_for_creation(name, future, stop)
    except KafkaException as error:
        raise error_of(error) from error
    for name, count in missing.items():
        _wait_until_known(client, name, count, stop or StopRequest())


def _wait_until_known(client: ClientConfig, name: str, count: int, stop: StopRequest) -> None:
    """Wait until the brokers know a topic that the controller has created."""
    deadline = time.monotonic() + _CALL_S
    while not _exists(client, name, stop, partition=count - 1):
        if time.monotonic() > deadline:
            raise TemporaryFailureError(f"topic {name} was created, but the brokers do not know it yet")
        stop.wait(_POLL_S)
        stop.check()


def _exists(client: ClientConfig, topic: str, stop: StopRequest | None, *, partition: int = 0) -> bool:
    with closing(PartitionReader(client, PartitionRef(topic, partition), stop=stop)) as log:
        try:
            log.ends()
        except TopicError:
            return False
        return True


def _wait_for_creation(name: str, future: Any, stop: StopRequest | None) -> None:  # noqa: ANN401  untyped futures
    try:
        wait_for_answer(future, what=f"creation of the topic {name}", stop=stop, timeout_s=_CALL_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    else:
        _log.info("Topic created", extra={"topic": name})
