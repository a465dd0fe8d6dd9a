"""Kafka consumer of the listener: wake up, drain without committing, and commit what has become runs.

The triggerer imports this module for :func:`any_message`, so heavy imports are inside the functions.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from dags.modules.errors import ConfigurationError, KafkaCommitError, KafkaReadError
from dags.modules.kafka_consumer import open_consumer
from dags.modules.records import Record
from dags.modules.settings import CONN_KAFKA
from dags.modules.task_log import task_logger

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

log = task_logger(__name__)

REQUEST_TIMEOUT_S = 15.0
_COORDINATOR_POLL_S = 0.2
_call_headers = operator.methodcaller("headers")
_REQUIREMENTS = {
    "bootstrap.servers": "must list the brokers",
    "group.id": "must name the consumer group of the committed offsets",
    "enable.auto.commit": "must be false: the default of librdkafka, true, commits messages before they are processed",
    "auto.offset.reset": "must be earliest: otherwise messages from before the first commit are skipped",
}


def any_message(message: Message) -> str:
    """Wake the listener for every message (``apply_function`` of the sensor).

    It does not read the value and never returns a false value: the sensor would continue past the message, and a
    message that cannot be decoded would make the trigger fail on every attempt.
    """
    return f"partition {message.partition()}, offset {message.offset()}"


def load_kafka_config(conn_id: str = CONN_KAFKA) -> dict[str, Any]:
    """Return the extra of the Kafka connection after checking it.

    Raises:
        ConfigurationError: A property is missing, or its value could lose messages.
    """
    from airflow.sdk import Connection

    return check_kafka_config(Connection.get(conn_id).extra_dejson, conn_id)


def check_kafka_config(config: Mapping[str, Any], conn_id: str = CONN_KAFKA) -> dict[str, Any]:
    """Return a copy of ``config`` after checking it.

    Raises:
        ConfigurationError: A property is missing or wrong. The message names each with the reason.
    """
    wrong = [name for name in ("bootstrap.servers", "group.id") if not config.get(name)]
    if str(config.get("enable.auto.commit", True)).lower() != "false":
        wrong.append("enable.auto.commit")
    if config.get("auto.offset.reset") not in {"earliest", "smallest", "beginning"}:
        wrong.append("auto.offset.reset")
    if wrong:
        faults = "; ".join(f"{name} {_REQUIREMENTS[name]}" for name in wrong)
        raise ConfigurationError(f"connection {conn_id} has an invalid extra: {faults}", fields=wrong)
    return dict(config)


def drain(
    config: Mapping[str, Any],
    topic: str,
    *,
    max_messages: int,
    max_bytes: int,
    deadline_s: float = 60.0,
    after: Mapping[int, int] | None = None,
) -> list[Record]:
    """Read the messages after the group's committed offsets, without joining the group and without committing.

    Partitions in ``after`` are read from that offset instead, as an earlier call has read the messages before it.

    Reading ends at the end of all partitions, at a limit (the message that exceeds ``max_bytes`` is included), or at
    the deadline. Without membership there is no wait for a rebalance, whose initial delay is 3 s by default.

    Raises:
        ConfigurationError: The brokers refuse the connection's user, or their certificate is not trusted.
        KafkaReadError: The broker does not answer, or the topic does not exist.
    """
    from confluent_kafka import KafkaException

    # An empty partition reports its end only after this wait. The default of 500 ms would slow down every drain.
    ends = {"enable.partition.eof": True, "fetch.wait.max.ms": 50}
    try:
        with open_consumer({**config, **ends, "enable.auto.commit": False}) as consumer:
            starts = _find_start_offsets(consumer, topic)
            for start in starts:
                start.offset = (after or {}).get(start.partition, start.offset)
            consumer.assign(starts)
            return _read(consumer, len(starts), max_messages=max_messages, max_bytes=max_bytes, deadline_s=deadline_s)
    except KafkaException as error:
        raise KafkaReadError(f"cannot read topic {topic}: {error}") from error


def commit_offsets(config: Mapping[str, Any], topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
    """Commit ``offsets`` (the next offsets to read, by partition) and return those that changed.

    An offset never moves backwards, with one exception: a committed offset past the end of its partition means that
    the topic was recreated. Keeping it would read the same messages forever and skip later ones.

    Raises:
        ConfigurationError: The brokers refuse the connection's user, or their certificate is not trusted.
        KafkaCommitError: The broker refused. It does so while the group has an active member, such as the consumer of
            a triggerer that was killed, until its session times out. Retry.
    """
    from confluent_kafka import KafkaException

    if not offsets:
        return {}
    try:
        with open_consumer({**config, "enable.auto.commit": False}) as consumer:
            return _commit_changed(consumer, topic, offsets)
    except KafkaException as error:
        raise KafkaCommitError(f"cannot commit offsets {dict(offsets)} of topic {topic}: {error}") from error


def _commit_changed(consumer: Consumer, topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
    from confluent_kafka import KafkaException, TopicPartition

    current = fetch_committed(consumer, [TopicPartition(topic, partition) for partition in offsets])
    changed = {
        t.partition: offsets[t.partition]
        for t in current
        if offsets[t.partition] > t.offset or (offsets[t.partition] < t.offset and _is_past_end(consumer, t))
    }
    if not changed:
        return changed
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in changed.items()]
    for result in consumer.commit(offsets=wanted, asynchronous=False):
        if result.error is not None:
            raise KafkaException(result.error)
    return changed


def _is_past_end(consumer: Consumer, committed: TopicPartition) -> bool:
    _, end = consumer.get_watermark_offsets(committed, timeout=REQUEST_TIMEOUT_S, cached=False)
    if committed.offset <= end:
        return False
    log.error(
        "Committed offset is past the end of the partition: the topic was probably recreated. Resetting the offset",
        extra={
            "topic": committed.topic,
            "partition": committed.partition,
            "offset": committed.offset,
            "end_offset": end,
        },
    )
    return True


def _find_start_offsets(consumer: Consumer, topic: str) -> list[TopicPartition]:
    from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

    metadata = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    wanted = [TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]
    starts = fetch_committed(consumer, wanted)
    for start in starts:
        if start.error is not None:
            raise KafkaException(start.error)
        if start.offset < 0:
            start.offset = OFFSET_BEGINNING
    return starts


def fetch_committed(
    consumer: Consumer,
    partitions: list[TopicPartition],
    *,
    timeout_s: float = REQUEST_TIMEOUT_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[TopicPartition]:
    """Return ``partitions`` with their committed offsets.

    Retries while the group's coordinator is being found: librdkafka raises that error instead of waiting.

    Raises:
        KafkaException: The broker refused, or the coordinator was not found within ``timeout_s``.
    """
    from confluent_kafka import KafkaError, KafkaException

    transient = {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
    deadline = clock() + timeout_s
    while True:
        try:
            return consumer.committed(partitions, timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in transient or clock() > deadline:
                raise
            sleep(_COORDINATOR_POLL_S)


def _read(consumer: Consumer, partitions: int, *, max_messages: int, max_bytes: int, deadline_s: float) -> list[Record]:
    from confluent_kafka import KafkaError, KafkaException

    records: list[Record] = []
    size_bytes = 0
    ended: set[int | None] = set()
    end = time.monotonic() + deadline_s
    while len(records) < max_messages and size_bytes < max_bytes and len(ended) < partitions:
        message = consumer.poll(0.5)
        if time.monotonic() > end:
            log.warning(
                "Drain stopped at its deadline",
                extra={"deadline_s": deadline_s, "complete_partitions": len(ended), "partitions": partitions},
            )
            break
        if message is None:
            continue
        error = message.error()
        if error is None:
            records.append(_to_record(message))
            size_bytes += len(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            raise KafkaException(error)
    log.info("Topic drained", extra={"messages": len(records), "size_bytes": size_bytes})
    return records


def _to_record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise KafkaReadError("the Kafka client returned a message without topic, partition or offset")
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=_read_headers(message),
    )


def _read_headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers, or none if a header's name is not UTF-8: confluent_kafka then returns none of them.

    Its ``headers()`` (2.16) returns a list and leaves the decoding error set. A plain call does not check for it, so
    the error surfaces in a later call, outside of any ``try``. ``methodcaller`` checks, and raises SystemError.
    """
    try:
        return tuple(cast("list[tuple[str, bytes | None]]", _call_headers(message) or []))
    except (SystemError, UnicodeDecodeError):
        place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
        log.warning("Headers ignored: the name of a header is not UTF-8", extra=place)
        return ()
