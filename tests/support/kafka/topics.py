"""The contents of a topic of chunk messages, read from a real broker."""

from __future__ import annotations

import uuid
from collections import Counter

from confluent_kafka import Consumer, TopicPartition

from contracts.message import ChunkMessage, parse_message
from tests.support.services import KafkaBroker


def read_topic(broker: KafkaBroker, topic: str) -> dict[int, list[tuple[bytes, ChunkMessage]]]:
    """Return the keys and messages in the topic, by partition."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": uuid.uuid4().hex})
    try:
        found: dict[int, list[tuple[bytes, ChunkMessage]]] = {}
        for partition in consumer.list_topics(topic, timeout=60).topics[topic].partitions:
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=60)
            found[partition] = []
            consumer.assign([place])
            while len(found[partition]) < end:
                record = consumer.poll(60)
                assert record is not None
                assert record.error() is None
                key, value = record.key(), record.value()
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                found[partition].append((key, parse_message(value)))
        return found
    finally:
        consumer.close()


def announced_messages(broker: KafkaBroker, topic: str) -> list[ChunkMessage]:
    """Return all messages of the topic, in any order."""
    return [message for records in read_topic(broker, topic).values() for _, message in records]


def announcements(broker: KafkaBroker, topic: str) -> Counter[tuple[str, int]]:
    """Return the number of messages for each chunk of each upload."""
    return Counter((message.upload_id, message.chunk_id) for message in announced_messages(broker, topic))
