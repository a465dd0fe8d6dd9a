from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

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
