"""Makes the topics of a job where they are missing, if that is wanted: a topic's form is its owner's to decide."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own examples do so

from contracts.errors import TemporaryFailureError
from sequencer.errors import TopicError
from sequencer.kafka.connection import CLIENT_LOG, open_client
from sequencer.kafka.errors import error_of
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.kafka.topic_options import wait_for_answer
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_CALL_S = 30.0
_POLL_S = 0.2


def create_topics_if_missing(
    client: dict[str, Any], topics: dict[str, int], *, stop: StopRequest | None = None
) -> None:
    """Make the topics that are not there, with the broker's own replication and options.

    Args:
        client: librdkafka's configuration of the connection.
        topics: the number of partitions of each.
        stop: the request to end early.

    Raises:
        StopRequestedError: ``stop`` came first.
        CsvPipeError: a topic cannot be made, or Kafka does not answer.
        TemporaryFailureError: the brokers do not know a new topic for too long.
    """
    # Looked for first: that says at once where we are not let in, and takes no right to make what is there.
    missing = {name: count for name, count in topics.items() if not _exists(client, name, stop)}
    if not missing:
        return
    try:
        # Kept: without it nobody would hear the answers.
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        made = admin.create_topics([NewTopic(name, count) for name, count in missing.items()])
        for name, future in made.items():
            _wait_for_creation(name, future, stop)
    except KafkaException as error:
        raise error_of(error) from error
    for name, count in missing.items():
        _wait_until_known(client, name, count, stop or StopRequest())


def _wait_until_known(client: dict[str, Any], name: str, count: int, stop: StopRequest) -> None:
    """Wait until the brokers tell of a topic that the controller has made: they learn of it a moment later."""
    deadline = time.monotonic() + _CALL_S
    while not _exists(client, name, stop, partition=count - 1):
        if time.monotonic() > deadline:
            raise TemporaryFailureError(f"Kafka has made the topic {name}, and its brokers do not know it yet")
        stop.wait(_POLL_S)
        stop.check()


def _exists(client: dict[str, Any], topic: str, stop: StopRequest | None, *, partition: int = 0) -> bool:
    with closing(PartitionReader(client, topic=topic, partition=partition, stop=stop)) as log:
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
        _log.info("made the topic %s", name)
