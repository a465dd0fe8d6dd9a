from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from kafka import KafkaProducer

from dags.modules import kafka_listener


class FakeConsumer:
    """Raises the given errors before it returns the committed offsets."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return partitions


def fetch(consumer: FakeConsumer, *, timeout_s: float = 15) -> list[Any]:
    return kafka_listener.fetch_committed(
        consumer,  # type: ignore[arg-type]  # the fake has what is used
        [],
        timeout_s=timeout_s,
        sleep=lambda _: None,
    )


def test_fetch_retries_while_the_coordinator_is_being_found() -> None:
    consumer = FakeConsumer(KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    assert fetch(consumer) == []
    assert consumer.codes == []


def test_coordinator_not_found_in_time_is_an_error() -> None:
    with pytest.raises(KafkaException):
        fetch(FakeConsumer(KafkaError.NOT_COORDINATOR), timeout_s=-1)


def test_refusal_is_not_retried() -> None:
    consumer = FakeConsumer(KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.NOT_COORDINATOR)
    with pytest.raises(KafkaException):
        fetch(consumer)
    assert consumer.codes == [KafkaError.NOT_COORDINATOR]


class OddName(str):
    """A header name that is not UTF-8, which no client would write."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


@pytest.fixture
def mock_cluster() -> Iterator[tuple[Producer, str]]:
    """A producer with librdkafka's mock broker, and the address of the broker."""
    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    yield producer, f"127.0.0.1:{broker.port}"
    producer.flush(10)


def test_headers_are_ignored_if_a_name_is_not_utf_8(
    mock_cluster: tuple[Producer, str], caplog: pytest.LogCaptureFixture
) -> None:
    producer, bootstrap = mock_cluster
    producer.produce("t", b"before", headers=[("a", b"1")], partition=0)
    assert producer.flush(10) == 0
    odd = KafkaProducer(bootstrap_servers=bootstrap, api_version=(2, 0), enable_idempotence=False)
    odd.send("t", value=b"odd", headers=[("b", b"2"), (OddName(), b"3")], partition=0).get(10)
    odd.close()
    producer.produce("t", b"after", headers=[("c", None)], partition=0)
    assert producer.flush(10) == 0
    config = {"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest", "log_level": 0}
    records = kafka_listener.drain(config, "t", max_messages=3, max_bytes=1 << 20)
    assert [(record.value, record.headers) for record in records] == [
        (b"before", (("a", b"1"),)),
        (b"odd", ()),
        (b"after", (("c", None),)),
    ]
    (warning,) = [vars(record) for record in caplog.records if record.levelname == "WARNING"]
    assert (warning["topic"], warning["partition"], warning["offset"]) == ("t", 0, 1)
