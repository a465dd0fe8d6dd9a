"""A new topic is polled until the brokers know it, which is after the controller."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from sequencer.errors import TopicError
from sequencer.kafka import topics
from sequencer.kafka.topics import create_topics_if_missing
from sequencer.model.partition import PartitionRef


class FakeAdmin:
    """Creates every topic immediately."""

    def create_topics(self, topics: list[Any]) -> dict[str, Future[None]]:
        made: Future[None] = Future()
        made.set_result(None)
        return {each.topic: made for each in topics}


class FakeLog:
    """Knows the topic from the third request after its creation on."""

    looks = 0

    def __init__(self, _client: object, partition: PartitionRef, *, stop: object) -> None:
        self.partition = partition

    def ends(self) -> tuple[int, int]:
        FakeLog.looks += 1
        if FakeLog.looks <= 3:
            raise TopicError("rows is not there")
        return 0, 0

    def close(self) -> None:
        """Close nothing."""


def test_new_topic_is_polled_until_the_brokers_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "AdminClient", lambda *_args, **_kwargs: FakeAdmin())
    monkeypatch.setattr(topics, "PartitionReader", FakeLog)
    monkeypatch.setattr(topics, "_POLL_S", 0.0)
    monkeypatch.setattr(FakeLog, "looks", 0)
    create_topics_if_missing({}, {"rows": 3})
    assert FakeLog.looks == 4
