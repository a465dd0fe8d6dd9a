"""Drain, commit and dead letters of the listener, on a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, cast
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dags.modules.allowed_hosts import parse_allowed_hosts
from dags.modules.batch import group_records
from dags.modules.dead_letters import MAX_VALUE_BYTES, write_dead_letters
from dags.modules.errors import DeadLetterError, KafkaCommitError, KafkaReadError
from dags.modules.kafka_listener import any_message, check_kafka_config, commit_offsets, drain
from dags.modules.listener_run import extract_batch
from dags.modules.records import Record
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until

UPLOAD = "5" * 32
LIMITS: dict[str, Any] = {"max_messages": 1000, "max_bytes": 1 << 20}
Produce = Callable[..., None]


@pytest.fixture
def config(kafka_broker: KafkaBroker) -> dict[str, Any]:
    """A consumer group for the test."""
    return check_kafka_config(
        {
            "bootstrap.servers": kafka_broker.bootstrap,
            "group.id": f"test-{uuid4().hex}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )


@pytest.fixture
def new_topic(kafka_broker: KafkaBroker) -> Iterator[Callable[[int], str]]:
    """Create topics for the test, and delete them afterwards."""
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    made: list[str] = []

    def make(partitions: int) -> str:
        made.append(name := f"test-{uuid4().hex}")
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        # The broker learns of a topic a moment after the controller has made it.
        wait_until(
            lambda: admin.list_topics(name, timeout=60).topics[name].error is None,
            what="the topic is known",
            deadline_s=60,
        )
        return name

    yield make
    for future in admin.delete_topics(made).values():
        future.result(30)


@pytest.fixture
def topic(new_topic: Callable[[int], str]) -> str:
    return new_topic(3)


@pytest.fixture
def produce(kafka_broker: KafkaBroker) -> Produce:
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "acks": "all"})

    def send(topic: str, partition: int, *values: bytes | None) -> None:
        for value in values:
            producer.produce(topic, value=value, key=b"key", partition=partition, headers=[("trace", b"1")])
        assert producer.flush(30) == 0

    return send


def values_of(records: list[Record]) -> dict[int, list[bytes | None]]:
    found: dict[int, list[bytes | None]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record.value)
    return found


def next_offsets(records: list[Record]) -> dict[int, int]:
    return {record.partition: record.offset + 1 for record in records}


def test_drain_reads_every_partition_to_its_end(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 0, b"a", b"b", b"c")
    produce(topic, 2, b"d", None)
    records = drain(config, topic, **LIMITS)
    assert values_of(records) == {0: [b"a", b"b", b"c"], 2: [b"d", None]}
    assert {(record.topic, record.key, record.headers) for record in records} == {(topic, b"key", (("trace", b"1"),))}


def test_empty_topic_is_drained_immediately(config: dict[str, Any], topic: str) -> None:
    assert drain(config, topic, **LIMITS) == []


def test_drain_without_a_commit_reads_the_same_messages(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 1, b"a", b"b")
    assert drain(config, topic, **LIMITS) == drain(config, topic, **LIMITS) != []


def test_committed_messages_are_not_read_again(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 0, b"a", b"b")
    produce(topic, 1, b"c")
    first = drain(config, topic, **LIMITS)
    assert commit_offsets(config, topic, next_offsets(first)) == {0: 2, 1: 1}
    assert drain(config, topic, **LIMITS) == []
    produce(topic, 1, b"d")
    assert values_of(drain(config, topic, **LIMITS)) == {1: [b"d"]}


def test_small_batches_read_every_message_once(config: dict[str, Any], topic: str, produce: Produce) -> None:
    for partition in range(3):
        produce(topic, partition, *(b"%d-%d" % (partition, n) for n in range(40)))
    seen: list[Record] = []
    while batch := drain(config, topic, max_messages=7, max_bytes=1 << 20):
        assert len(batch) <= 7
        seen.extend(batch)
        commit_offsets(config, topic, next_offsets(batch))
    assert values_of(seen) == {p: [b"%d-%d" % (p, n) for n in range(40)] for p in range(3)}


def test_drain_ends_with_the_message_that_exceeds_the_byte_limit(
    config: dict[str, Any], topic: str, produce: Produce
) -> None:
    produce(topic, 0, b"x" * 600, b"y" * 600, b"z" * 600)
    records = drain(config, topic, max_messages=1000, max_bytes=1000)
    assert [record.value for record in records] == [b"x" * 600, b"y" * 600]


def test_commit_does_not_move_offsets_back(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 0, b"a", b"b", b"c")
    commit_offsets(config, topic, {0: 3})
    assert commit_offsets(config, topic, {0: 1}) == {}
    assert drain(config, topic, **LIMITS) == []


def test_commit_moves_back_an_offset_past_the_end(
    config: dict[str, Any], topic: str, produce: Produce, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a topic was recreated, or restored from a backup."""
    produce(topic, 0, b"a", b"b")
    commit_offsets(config, topic, {0: 100})
    records = drain(config, topic, **LIMITS)
    assert values_of(records) == {0: [b"a", b"b"]}
    assert commit_offsets(config, topic, next_offsets(records)) == {0: 2}
    (reset,) = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert (reset["offset"], reset["end_offset"]) == (100, 2)
    assert drain(config, topic, **LIMITS) == []
    produce(topic, 0, b"c")
    assert values_of(drain(config, topic, **LIMITS)) == {0: [b"c"]}


def test_empty_commit_does_not_call_the_broker(config: dict[str, Any], topic: str) -> None:
    assert commit_offsets({**config, "bootstrap.servers": "127.0.0.1:1"}, topic, {}) == {}


def test_commit_is_refused_while_the_group_has_a_member(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 0, b"a")
    member = Consumer({**config, "session.timeout.ms": 120_000})  # or it is no member if this process stands still
    member.subscribe([topic])
    # The sensor's consumer after a kill of its triggerer: it has read the message and commits nothing.
    message: Message = wait_until(lambda: member.poll(0.5), what="the member gets the message", deadline_s=60)
    assert any_message(message) == "partition 0, offset 0"
    with pytest.raises(KafkaCommitError, match="cannot commit"):
        commit_offsets(config, topic, {0: 1})
    member.close()
    assert [record.value for record in drain(config, topic, **LIMITS)] == [b"a"]
    assert commit_offsets(config, topic, {0: 1}) == {0: 1}


def test_missing_topic_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(KafkaReadError, match="no-such-topic"):
        drain(config, "no-such-topic", **LIMITS)


def test_drain_after_expired_offsets_reads_the_remaining_messages(
    config: dict[str, Any], topic: str, produce: Produce, kafka_broker: KafkaBroker
) -> None:
    from confluent_kafka import TopicPartition

    produce(topic, 0, b"a", b"b", b"c", b"d")
    commit_offsets(config, topic, {0: 1})
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, 3)]).values():
        future.result(30)
    assert [record.value for record in drain(config, topic, **LIMITS)] == [b"d"]


def test_dead_letter_is_the_original_record_with_the_reason(
    config: dict[str, Any], topic: str, new_topic: Callable[[int], str], produce: Produce
) -> None:
    dead = new_topic(1)
    with FakeUploader().running() as fake:
        (good,) = fake.add_upload(UPLOAD)
        produce(topic, 0, b"\xff not json", good.to_bytes(), None)
        batch = group_records(drain(config, topic, **LIMITS), allowed=parse_allowed_hosts(fake.url), bucket="raw")
    write_dead_letters(config, dead, batch.rejected)
    assert [run.run_id for run in batch.runs] == [f"{UPLOAD}-0-1-1-{sha256(good.to_bytes()).hexdigest()[:8]}"]

    letters = drain(config, dead, **LIMITS)
    assert [(letter.key, letter.value) for letter in letters] == [(b"key", b"\xff not json"), (b"key", None)]
    headers = [dict(letter.headers) for letter in letters]
    assert headers[0]["trace"] == b"1"
    assert headers[0]["csv-ingestion.topic"] == topic.encode()
    assert [h["csv-ingestion.offset"] for h in headers] == [b"0", b"2"]
    assert b"Invalid JSON" in (headers[0]["csv-ingestion.reason"] or b"")
    assert b"no value" in (headers[1]["csv-ingestion.reason"] or b"")


def test_record_at_the_brokers_limit_is_truncated(
    config: dict[str, Any], topic: str, new_topic: Callable[[int], str], produce: Produce
) -> None:
    dead = new_topic(1)
    produce(topic, 0, b"x" * 999_000)
    batch = group_records(drain(config, topic, **LIMITS), allowed=parse_allowed_hosts("http://u"), bucket="raw")
    write_dead_letters(config, dead, batch.rejected)
    (letter,) = drain(config, dead, **LIMITS)
    assert letter.value == b"x" * MAX_VALUE_BYTES
    assert dict(letter.headers)["csv-ingestion.size-bytes"] == b"999000"
    assert dict(letter.headers)["csv-ingestion.cut"] == b"value"


@pytest.mark.parametrize(
    ("record", "cut"),
    [
        ({"key": b"k" * 999_800}, "key"),
        ({"key": b"k" * 400_000, "value": b"v" * 590_000}, "key, value"),
        ({"headers": [("h", b"h" * 999_800)]}, "headers"),
        ({"headers": [("h", b"")] * 9_000}, "headers"),
        ({"key": b"k" * 65_536, "value": b"v" * 262_144, "headers": [("h", b"h" * 65_000)]}, None),
    ],
    ids=["key", "key-and-value", "header", "headers", "nothing"],
)
def test_large_keys_and_headers_are_truncated(
    config: dict[str, Any],
    topic: str,
    new_topic: Callable[[int], str],
    kafka_broker: KafkaBroker,
    record: dict[str, Any],
    cut: str | None,
) -> None:
    dead = new_topic(1)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "acks": "all"})
    producer.produce(topic, partition=0, **{"value": b"bad", **record})
    assert producer.flush(30) == 0
    batch = group_records(drain(config, topic, **LIMITS), allowed=parse_allowed_hosts("http://u"), bucket="raw")
    write_dead_letters(config, dead, batch.rejected)
    (letter,) = drain(config, dead, **LIMITS)
    headers = dict(letter.headers)
    assert headers.get("csv-ingestion.cut") == (cut and cut.encode())
    assert letter.key == (record["key"][:65_536] if "key" in record else None)
    assert headers["csv-ingestion.offset"] == b"0"
    assert ("h" in headers) == (cut is None)


class FakeTaskInstance:
    """Keeps the XComs that a task pushes."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value


@pytest.fixture
def configured(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeUploader]:
    """Airflow's connections as environment variables. The allowed uploader has no uploads yet."""
    with FakeUploader().running() as uploader:
        kafka = {"conn_type": "kafka", "extra": config}
        monkeypatch.setenv("AIRFLOW_CONN_KAFKA_CSV_INGESTION", json.dumps(kafka))
        monkeypatch.setenv("AIRFLOW_CONN_S3_RAW", json.dumps({"conn_type": "aws"}))
        monkeypatch.setenv("AIRFLOW_VAR_CSV_INGESTION_ALLOWED_HOSTS", uploader.url)
        yield uploader


def extract(topic: str, dead: str) -> tuple[dict[str, int], FakeTaskInstance]:
    ti = FakeTaskInstance()
    summary = extract_batch(cast("Any", ti), topic=topic, dead_letter_topic=dead)
    return summary, ti


def test_ten_thousand_invalid_messages_are_handled_by_one_task(
    config: dict[str, Any],
    configured: FakeUploader,
    topic: str,
    new_topic: Callable[[int], str],
    produce: Produce,
) -> None:
    dead = new_topic(1)
    (honest,) = configured.add_upload(UPLOAD)
    for partition in range(3):
        produce(topic, partition, *[b"bad"] * 3334)

    summary, ti = extract(topic, dead)

    assert summary == {"messages": 10_002, "runs": 0, "dead_letters": 10_002}
    assert ti.pushed["offsets"] == {"0": 3334, "1": 3334, "2": 3334}
    letters = drain(config, dead, max_messages=20_000, max_bytes=1 << 30)
    places = [(dict(h.headers)["csv-ingestion.partition"], dict(h.headers)["csv-ingestion.offset"]) for h in letters]
    assert len(places) == len(set(places)) == 10_002

    commit_offsets(config, topic, {int(p): offset for p, offset in ti.pushed["offsets"].items()})
    produce(topic, 1, honest.to_bytes())
    assert extract(topic, dead)[0] == {"messages": 1, "runs": 1, "dead_letters": 0}


def test_messages_of_unknown_uploads_start_no_runs(
    config: dict[str, Any],
    configured: FakeUploader,
    topic: str,
    new_topic: Callable[[int], str],
    produce: Produce,
) -> None:
    dead = new_topic(1)
    (honest,) = configured.add_upload(UPLOAD)
    strangers = [f"{number:032x}" for number in range(400)]
    for upload_id in strangers:
        endpoint = honest.api_endpoint.replace(UPLOAD, upload_id)
        produce(topic, 0, honest.model_copy(update={"upload_id": upload_id, "api_endpoint": endpoint}).to_bytes())
    produce(topic, 0, honest.to_bytes())

    summary, ti = extract(topic, dead)

    assert summary == {"messages": 401, "runs": 1, "dead_letters": 400}
    assert [run["conf"]["upload_id"] for run in ti.pushed["runs"]] == [UPLOAD]
    assert [path for _, path, _ in configured.requests] == ["/uploads/known"]
    letters = drain(config, dead, **LIMITS)
    assert {dict(letter.headers)["csv-ingestion.code"] for letter in letters} == {b"unknown_upload"}


def test_unacknowledged_dead_letter_is_an_error(config: dict[str, Any], topic: str, produce: Produce) -> None:
    produce(topic, 0, b"bad")
    batch = group_records(drain(config, topic, **LIMITS), allowed=parse_allowed_hosts("http://u"), bucket="raw")
    with pytest.raises(DeadLetterError, match="1 of 1"):
        write_dead_letters(config, "no-such-topic", batch.rejected, deadline_s=3)
