"""Reading the topic without losing anything: wake up, drain what waits, and commit only what has become runs.

The triggerer imports this module for :func:`any_message`, so nothing heavy is imported above the functions.
"""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from dags.modules.batch import Record
from dags.modules.errors import ConfigurationError, KafkaCommitError, KafkaReadError
from dags.modules.settings import CONN_KAFKA

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 15.0
_CALL_HEADERS = operator.methodcaller("headers")
_WHY = {
    "bootstrap.servers": "it names the brokers",
    "group.id": "the committed offsets belong to it",
    "enable.auto.commit": "must be false: librdkafka's default is true, and commits messages that nobody has handled",
    "auto.offset.reset": "must be earliest: else messages from before the first commit are passed over",
}


def any_message(message: Message) -> str:
    """Wake the listener for every message (``apply_function`` of the sensor).

    It never looks at the value and never answers with something false: the sensor would walk on past the message, and
    one that cannot be decoded would kill the trigger again and again.
    """
    return f"partition {message.partition()}, offset {message.offset()}"


def load_kafka_config(conn_id: str = CONN_KAFKA) -> dict[str, Any]:
    """Return the extra of the Kafka connection, checked.

    Raises:
        ConfigurationError: it lacks what keeps messages from being lost.
    """
    from airflow.sdk import Connection

    return check_kafka_config(Connection.get(conn_id).extra_dejson, conn_id)


def check_kafka_config(config: Mapping[str, Any], conn_id: str = CONN_KAFKA) -> dict[str, Any]:
    """Return a copy of ``config``.

    Raises:
        ConfigurationError: a property is missing or wrong; the text says which and why.
    """
    wrong = [name for name in ("bootstrap.servers", "group.id") if not config.get(name)]
    if str(config.get("enable.auto.commit", True)).lower() != "false":
        wrong.append("enable.auto.commit")
    if config.get("auto.offset.reset") not in {"earliest", "smallest", "beginning"}:
        wrong.append("auto.offset.reset")
    if wrong:
        faults = "; ".join(f"{name} ({_WHY[name]})" for name in wrong)
        raise ConfigurationError(f"connection {conn_id}: its extra is missing or has a wrong {faults}", fields=wrong)
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
    """Read what lies behind the group's committed offsets, without joining the group and without committing.

    Partitions in ``after`` are read from that offset instead: an earlier call has read what lies before it.

    Reading ends at the end of every partition, at either limit (the message that passes ``max_bytes`` is still in),
    or at the deadline. No membership means no wait for a rebalance, whose initial delay is 3 s by default.

    Raises:
        KafkaReadError: the broker does not answer, or the topic does not exist.
    """
    from confluent_kafka import Consumer, KafkaException

    # An empty partition tells its end only after this wait; the default of 500 ms would be paid in every drain.
    ends = {"enable.partition.eof": True, "fetch.wait.max.ms": 50}
    consumer = Consumer({**config, **ends, "enable.auto.commit": False})
    try:
        starts = _find_starts(consumer, topic)
        for start in starts:
            start.offset = (after or {}).get(start.partition, start.offset)
        consumer.assign(starts)
        return _read(consumer, len(starts), max_messages=max_messages, max_bytes=max_bytes, deadline_s=deadline_s)
    except KafkaException as error:
        raise KafkaReadError(f"topic {topic} cannot be read: {error}") from error
    finally:
        consumer.close()


def commit_offsets(config: Mapping[str, Any], topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
    """Commit ``offsets`` (the next to read, by partition); return those that moved.

    Never backwards, with one exception: an offset past the end of its partition is of a topic that was made anew. It
    would have the same messages read for ever, and later ones passed over.

    Raises:
        KafkaCommitError: the broker refused. It does so while the group has a living member, such as the consumer of
            a triggerer that was killed (until its session times out): try again.
    """
    from confluent_kafka import Consumer, KafkaException

    if not offsets:
        return {}
    consumer = Consumer({**config, "enable.auto.commit": False})
    try:
        return _commit_moved(consumer, topic, offsets)
    except KafkaException as error:
        raise KafkaCommitError(f"offsets {dict(offsets)} of topic {topic} were not committed: {error}") from error
    finally:
        consumer.close()


def _commit_moved(consumer: Consumer, topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
    from confluent_kafka import KafkaException, TopicPartition

    current = _fetch_committed(consumer, [TopicPartition(topic, partition) for partition in offsets])
    moved = {
        t.partition: offsets[t.partition]
        for t in current
        if offsets[t.partition] > t.offset or (offsets[t.partition] < t.offset and _is_past_end(consumer, t))
    }
    if not moved:
        return moved
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in moved.items()]
    for result in consumer.commit(offsets=wanted, asynchronous=False):
        if result.error is not None:
            raise KafkaException(result.error)
    return moved


def _is_past_end(consumer: Consumer, committed: TopicPartition) -> bool:
    _, end = consumer.get_watermark_offsets(committed, timeout=REQUEST_TIMEOUT_S, cached=False)
    if committed.offset <= end:
        return False
    log.error(
        "%s[%d]: offset %d is committed, but the log ends at %d: was the topic made anew? Going back",
        committed.topic,
        committed.partition,
        committed.offset,
        end,
    )
    return True


def _find_starts(consumer: Consumer, topic: str) -> list[TopicPartition]:
    from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

    metadata = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    wanted = [TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]
    starts = _fetch_committed(consumer, wanted)
    for start in starts:
        if start.error is not None:
            raise KafkaException(start.error)
        if start.offset < 0:
            start.offset = OFFSET_BEGINNING
    return starts


def _fetch_committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Ask again while the group's coordinator is being found: librdkafka hands that on instead of waiting it out."""
    from confluent_kafka import KafkaError, KafkaException

    passing = {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
    end = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        try:
            return consumer.committed(partitions, timeout=REQUEST_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() > end:
                raise
            time.sleep(0.2)


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
                "deadline of %s s reached with %d of %d partitions read to their end",
                deadline_s,
                len(ended),
                partitions,
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
    log.info("drained %d messages, %d bytes", len(records), size_bytes)
    return records


def _to_record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise KafkaReadError("a message without topic, partition or offset: the client is at fault")
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=_read_headers(message),
    )


def _read_headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers; none where the name of one is not UTF-8, as confluent_kafka then gives out none of them.

    Its ``headers()`` (2.16) returns a list and leaves the decoding error set. A plain call does not look for that, so
    the error comes up at whatever is called next, past every ``try``; ``methodcaller`` looks, and raises SystemError.
    """
    try:
        return tuple(cast("list[tuple[str, bytes | None]]", _CALL_HEADERS(message) or []))
    except (SystemError, UnicodeDecodeError):
        log.warning(
            "%s[%d]@%d: its headers are passed over, the name of one is not UTF-8",
            message.topic(),
            message.partition(),
            message.offset(),
        )
        return ()
