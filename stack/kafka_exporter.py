"""Prometheus exporter of Kafka's offsets and consumer groups, with the metrics of ``danielqsj/kafka_exporter``.

The local stack runs this exporter, containers run that one (docs/adr/0020). Both have the same names and labels. Only
metrics that this project's alert rules and dashboards use are exported.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # its own examples do so
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sequencer.metrics.prometheus import serving_metrics

_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)
Offsets = dict[tuple[str, int], int]


class KafkaCollector(Collector):
    """Queries Kafka on every scrape. If Kafka does not answer, the only metric is ``kafka_brokers``, with value 0."""

    def __init__(self, client: Mapping[str, str]) -> None:
        """Connect by ``client``, properties of librdkafka."""
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        try:
            found = list(self._query())
        except KafkaException as error:
            _log.warning("Kafka does not answer: %s", error)
            yield _brokers(0)
            return
        yield from found

    def _query(self) -> Iterator[Metric]:
        # New clients for each scrape: after a restart of its only broker, a client timed out for minutes.
        client: dict[str, str | int | float | bool] = {**self._client, "log_level": 0}
        admin = AdminClient(client)
        # Does not join the group: it only queries offsets.
        consumer = Consumer({**client, "group.id": "kafka-exporter", "enable.auto.commit": False})
        try:
            metadata = admin.list_topics(timeout=_TIMEOUT_S)
            oldest, newest = _offsets(consumer, metadata)
        finally:
            consumer.close()
        yield _brokers(len(metadata.brokers))
        yield _by_partition("kafka_topic_partition_current_offset", "Offset of the next message", newest)
        yield _by_partition("kafka_topic_partition_oldest_offset", "Offset of the oldest message", oldest)
        yield from _groups(admin, newest)


def _offsets(consumer: Consumer, metadata: ClusterMetadata) -> tuple[Offsets, Offsets]:
    """Return the oldest and the next offset of every partition, except those of Kafka's internal topics."""
    oldest: Offsets = {}
    newest: Offsets = {}
    for name, topic in metadata.topics.items():
        for number in [] if name.startswith("__") else topic.partitions:
            place = TopicPartition(name, number)
            oldest[name, number], newest[name, number] = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
    return oldest, newest


def _groups(admin: AdminClient, newest: Offsets) -> Iterator[Metric]:
    labels = ["consumergroup", "topic", "partition"]
    committed = GaugeMetricFamily("kafka_consumergroup_current_offset", "Committed offset", labels=labels)
    lag = GaugeMetricFamily("kafka_consumergroup_lag", "Messages after the committed offset", labels=labels)
    members = GaugeMetricFamily("kafka_consumergroup_members", "Members of the group", labels=["consumergroup"])
    for group, number in _members(admin).items():
        members.add_metric([group], number)
        for (topic, partition), (offset, lag_messages) in group_offsets(_committed(admin, group), newest).items():
            place = [group, topic, str(partition)]
            committed.add_metric(place, offset)
            if lag_messages is not None:
                lag.add_metric(place, lag_messages)
    yield from (committed, lag, members)


def group_offsets(committed: Offsets, newest: Offsets) -> dict[tuple[str, int], tuple[int, int | None]]:
    """Return a group's committed offset and lag by partition.

    Both are -1 for a partition without a commit in a topic with commits. This is what ``danielqsj/kafka_exporter``
    exports, so a rule must not sum the values. The lag is None if the partition no longer exists.
    """
    topics = {topic for topic, _ in committed}
    places = sorted(committed.keys() | {place for place in newest if place[0] in topics})
    found: dict[tuple[str, int], tuple[int, int | None]] = {}
    for place in places:
        if place not in committed:
            found[place] = (-1, -1)
        else:
            found[place] = (committed[place], newest[place] - committed[place] if place in newest else None)
    return found


def _members(admin: AdminClient) -> dict[str, int]:
    listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_S).result().valid
    names = [group.group_id for group in listed]
    described = admin.describe_consumer_groups(names, request_timeout=_TIMEOUT_S) if names else {}
    return {name: len(future.result().members) for name, future in described.items()}


def _committed(admin: AdminClient, group: str) -> Offsets:
    futures = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT_S)
    partitions = futures[group].result().topic_partitions or []
    return {(each.topic, each.partition): each.offset for each in partitions if each.offset >= 0}


def _brokers(number: int) -> Metric:
    return GaugeMetricFamily("kafka_brokers", "Brokers of the cluster", value=number)


def _by_partition(name: str, meaning: str, offsets: Offsets) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=["topic", "partition"])
    for (topic, partition), offset in offsets.items():
        family.add_metric([topic, str(partition)], offset)
    return family


def main() -> None:
    """Serve metrics until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", required=True, type=Path, help="JSON file with properties of librdkafka")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with serving_metrics(KafkaCollector(json.loads(given.client.read_text())), address=given.address, port=given.port):
        stopped.wait()


if __name__ == "__main__":
    main()
