"""Reading the topic's option from a silent broker; the fence itself is tested with a real broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from contracts.errors import TemporaryFailureError
from sequencer.kafka import timestamp_fence as fencing
from sequencer.kafka.timestamp_fence import fence_topic


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """Give the address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_broker_that_does_not_answer_is_tried_again(silent_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fencing, "_CALL_S", 0.05)
    with pytest.raises(TemporaryFailureError, match="options of rows"):
        fence_topic({"bootstrap.servers": silent_broker}, topic="rows", expiry_s=90, may_set=False)
