"""Announcing on a real broker: it is there, it is away, it goes and comes back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

from contracts.message import ChunkMessage
from dags.modules.kafka_listener import drain
from stack.ports import free_ports
from tests.support.kafka.topics import read_topic
from tests.support.services import KafkaBroker
from tests.support.signatures import fake_sign
from tests.support.uploader.patient_publisher import PATIENCE_S, wait_longer
from tests.support.uploader.uploads import SettableClock, upload_records
from tests.support.waiting import wait_until
from uploader.domain.messages import build_message
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import PublishError
from uploader.kafka.kafka_publisher import KafkaPublisher
from uploader.store.claims import Claim
from uploader.store.store import open_store
from uploader.uploads.outbox import CLAIM_FOR, Outbox
from uploader.uploads.reconciler import Reconciler

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_longer(monkeypatch)


@pytest.fixture
def topic() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def publisher(kafka_broker: KafkaBroker, topic: str) -> Iterator[KafkaPublisher]:
    made = KafkaPublisher(brokers=[kafka_broker.bootstrap], topic=topic, partitions=3, client_id="test")
    yield made
    made.close(timeout_s=5)


def messages_of(*, chunks: int) -> list[ChunkMessage]:
    clock = SettableClock()
    upload, records = upload_records(at=clock.now, chunks=chunks)
    return [
        build_message(upload, chunk, base_url="http://127.0.0.1:8000", published_at=clock.now, sign=fake_sign)
        for chunk in records
    ]


def held() -> tuple[int, int]:
    """Return how many files and sockets this process has open, and how many threads it runs."""
    return psutil.Process().num_fds(), threading.active_count()


def wait_until_held_is_at_most(fds: int, threads: int) -> None:
    """Wait, as a client lets go of the last of its sockets and threads a moment after it is closed."""

    def is_given_back() -> bool:
        fds_now, threads_now = held()
        return fds_now <= fds and threads_now <= threads

    wait_until(is_given_back, what=f"{fds} sockets and {threads} threads", deadline_s=60, explain=lambda: str(held()))


def test_missing_topic_is_created_with_its_partitions(
    kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str
) -> None:
    publisher.check(timeout_s=PATIENCE_S)
    publisher.check(timeout_s=PATIENCE_S)
    [found] = (
        AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
        .list_topics(topic, timeout=PATIENCE_S)
        .topics.values()
    )
    assert sorted(found.partitions) == [0, 1, 2]


def test_concurrent_creation_of_the_topic_succeeds(kafka_broker: KafkaBroker, topic: str) -> None:
    made = [
        KafkaPublisher(brokers=[kafka_broker.bootstrap], topic=topic, partitions=3, client_id=f"test-{number}")
        for number in range(4)
    ]
    faults: list[PublishError] = []

    def check(publisher: KafkaPublisher) -> None:
        try:
            publisher.check(timeout_s=PATIENCE_S)
        except PublishError as error:
            faults.append(error)

    threads = [threading.Thread(target=check, args=(each,)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in made:
        each.close(timeout_s=5)
    assert faults == []


def test_messages_of_an_upload_are_in_order_in_one_partition(
    kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str
) -> None:
    uploads = [messages_of(chunks=50) for _ in range(5)]
    for messages in uploads:
        outcome = publisher.publish(messages, timeout_s=PATIENCE_S)
        assert outcome.failure is None
        assert outcome.acknowledged == list(range(1, 51))
    partitions = read_topic(kafka_broker, topic)
    for messages in uploads:
        upload_id = messages[0].upload_id
        places = [[m for key, m in records if key == upload_id.encode()] for records in partitions.values()]
        assert sorted(map(len, places)) == [0, 0, 50]
        assert max(places, key=len) == messages


def headers_in(broker: KafkaBroker, topic: str) -> list[dict[str, bytes | None]]:
    """Return the headers of all that stands in the topic, as the listener reads them."""
    config = {"bootstrap.servers": broker.bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    return [dict(record.headers) for record in drain(config, topic, max_messages=100, max_bytes=1 << 20)]


def test_each_message_has_the_trace_header(kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str) -> None:
    publisher.publish(messages_of(chunks=2), timeout_s=PATIENCE_S, traceparent=PARENT)
    publisher.publish(messages_of(chunks=1), timeout_s=PATIENCE_S)
    found = headers_in(kafka_broker, topic)
    assert sorted(found, key=len) == [{}, {"traceparent": PARENT.encode()}, {"traceparent": PARENT.encode()}]


def test_announcement_by_another_process_keeps_the_trace(kafka_broker: KafkaBroker, topic: str, tmp_path: Path) -> None:
    clock = SettableClock()
    upload, chunks = upload_records(at=clock.now, chunks=2, traceparent=PARENT)
    store = open_store(f"sqlite:///{tmp_path}/manifest.sqlite3")
    claim = Claim.new(upload.upload_id)
    store.uploads.create(upload, chunks, claim=claim, claim_for=CLAIM_FOR)
    store.claims.release(claim, until=clock.now)
    store.close()
    for _ in range(2):  # each round is a process of its own: nothing but the database is shared
        store = open_store(f"sqlite:///{tmp_path}/manifest.sqlite3")
        after = timedelta(minutes=30)
        replica = ReplicaIdentity(name=upload.replica, base_url="http://127.0.0.1:1", worker="w")
        Reconciler(store=store, replica=replica, after=after, limit=2, clock=clock).run_pass()
        publisher = KafkaPublisher(brokers=[kafka_broker.bootstrap], topic=topic, partitions=1, client_id="test")
        outbox = Outbox(store=store, publisher=publisher, replica=replica, sign=fake_sign, clock=clock)
        assert outbox.run_pass()
        publisher.close(timeout_s=5)
        clock.advance(hours=5)
        store.close()
    assert headers_in(kafka_broker, topic) == [{"traceparent": PARENT.encode()}] * 4


def test_oversized_message_is_refused_and_the_others_are_sent(
    kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str
) -> None:
    first, second, third = messages_of(chunks=3)
    huge = second.model_copy(update={"headers": ["x" * 2_000_000], "header_count": 1})
    outcome = publisher.publish([first, huge, third], timeout_s=PATIENCE_S)
    assert outcome.failure is None
    assert outcome.acknowledged == [1, 3]
    assert list(outcome.refused) == [2]
    assert "MessageSizeTooLarge" in outcome.refused[2]


def test_message_over_the_broker_limit_is_refused_and_the_others_are_sent(
    kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str
) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)) as admin:
        limit = {"max.message.bytes": "3000"}
        admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1, "configs": limit}})
    messages = messages_of(chunks=5)
    messages[2] = messages[2].model_copy(update={"headers": ["x" * 5_000], "header_count": 1})
    outcome = publisher.publish(messages, timeout_s=PATIENCE_S)
    assert outcome.failure is None
    assert sorted(outcome.acknowledged) == [1, 2, 4, 5]
    assert list(outcome.refused) == [3]
    assert "MessageSizeTooLarge" in outcome.refused[3]
    [found] = [records for records in read_topic(kafka_broker, topic).values() if records]
    assert sorted(message.chunk_id for _, message in found) == [1, 2, 4, 5]


def test_unreachable_broker_is_reported_in_time_without_leaks() -> None:
    [port] = free_ports(1)
    publisher = KafkaPublisher(brokers=[f"127.0.0.1:{port}"], topic="t", partitions=1, client_id="test")
    fds, threads = held()
    for _ in range(3):
        outcome = publisher.publish(messages_of(chunks=2), timeout_s=2)
        assert outcome.acknowledged == []
        assert outcome.failure is not None
        assert f"127.0.0.1:{port}" in outcome.failure
        with pytest.raises(PublishError, match="no Kafka broker accepts connections"):
            publisher.check(timeout_s=2)
    wait_until_held_is_at_most(fds, threads)


def test_unresponsive_broker_leaks_no_sockets_or_threads() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = f"127.0.0.1:{silent.getsockname()[1]}"
        publisher = KafkaPublisher(brokers=[broker], topic="t", partitions=1, client_id="test")
        fds, threads = held()
        for _ in range(2):
            with pytest.raises(PublishError, match="does not answer"):
                publisher.check(timeout_s=1)
            assert publisher.publish(messages_of(chunks=2), timeout_s=1).failure is not None
        wait_until_held_is_at_most(fds, threads)


def test_restarted_broker_gets_the_remaining_messages(
    kafka_broker: KafkaBroker, publisher: KafkaPublisher, topic: str
) -> None:
    messages = messages_of(chunks=3)
    assert publisher.publish(messages[:1], timeout_s=PATIENCE_S).acknowledged == [1]
    kafka_broker.stop()
    try:
        outcome = publisher.publish(messages[1:], timeout_s=3)
        assert outcome.acknowledged == []
        assert outcome.failure is not None
        with pytest.raises(PublishError):
            publisher.check(timeout_s=3)
    finally:
        kafka_broker.start()

    def rest() -> list[int]:
        return publisher.publish(messages[1:], timeout_s=PATIENCE_S).acknowledged

    assert wait_until(rest, what="the rest is acknowledged", deadline_s=120) == [2, 3]
    ids = [m.chunk_id for records in read_topic(kafka_broker, topic).values() for _, m in records]
    assert ids == [1, 2, 3], "what was given up is not sent later"
