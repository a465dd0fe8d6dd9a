from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from kafka import KafkaProducer

from dags.modules import kafka_listener


class FakeConsumer:
    """Answers the committed offsets with the errors of a test first."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return partitions


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def fetch(consumer: FakeConsumer) -> list[Any]:
    return kafka_listener._fetch_committed(consumer, [])  # type: ignore[arg-type]  # the fake has what is used


def test_coordinator_that_is_being_found_is_waited_for() -> None:
    consumer = FakeConsumer(KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    assert fetch(consumer) == []
    assert consumer.codes == []


def test_coordinator_that_is_not_found_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_listener, "REQUEST_TIMEOUT_S", -1)
    with pytest.raises(KafkaException):
        fetch(FakeConsumer(KafkaError.NOT_COORDINATOR))


def test_refusal_is_not_asked_again() -> None:
    consumer = FakeConsumer(KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.NOT_COORDINATOR)
    with pytest.raises(KafkaException):
        fetch(consumer)
    assert consumer.codes == [KafkaError.NOT_COORDINATOR]


class OddName(str):
    """The name of a header that is not UTF-8, which no client writes by itself."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


@pytest.fixture
def mock_cluster() -> Iterator[tuple[Producer, str]]:
    """A producer with a broker of its own inside librdkafka, and its address."""
    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    yield producer, f"127.0.0.1:{broker.port}"
    producer.flush(10)


def test_record_whose_header_name_is_not_utf_8_is_read_without_headers_and_holds_up_none(
    mock_cluster: tuple[Producer, str], caplog: pytest.LogCaptureFixture
) -> None:
    producer, bootstrap = mock_cluster
    producer.produce("t", b"before", headers=[("a", b"1")], partition=0)
    assert producer.flush(10) == 0
    odd = KafkaProducer(bootstrap_servers=bootstrap, api_version=(2, 0), enable_idempotence=False)
    odd.send("t", value=b"odd", headers=[("b", b"2"), (OddName(), b"3")], partition=0).get(10)
    odd.close()
    producer.produce("t", b"behind", headers=[("c", None)], partition=0)
    assert producer.flush(10) == 0
    config = {"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest", "log_level": 0}
    records = kafka_listener.drain(config, "t", max_messages=3, max_bytes=1 << 20)
    assert [(record.value, record.headers) for record in records] == [
        (b"before", (("a", b"1"),)),
        (b"odd", ()),
        (b"behind", (("c", None),)),
    ]
    assert "t[0]@1: its headers are passed over" in caplog.text
