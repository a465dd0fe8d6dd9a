"""When a transaction is committed, by a fake client; Kafka's own part is tested on a real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sequencer import producer
from sequencer.batch import Records
from sequencer.producer import Acknowledged
from sequencer.transaction import TransactionalSender

BATCH = 100


class FakeClient:
    """Acknowledges what it is handed when it is polled, and counts transactions."""

    def __init__(self, _config: dict[str, Any], *, on_delivered: Callable[..., None], **_more: Any) -> None:
        self.calls: list[str] = []
        self._on_delivered = on_delivered
        self._queued: list[int] = []
        self._offset = 0

    def produce(self, records: Records) -> None:
        self._queued.append(len(records))

    def poll(self, timeout_s: float) -> None:
        while timeout_s and self._queued:
            count = self._queued.pop(0)
            self._offset += count
            self._on_delivered(None, count, self._offset - count)

    def hurry(self) -> None:
        """There is no lingering."""

    def init_transactions(self, timeout_s: float) -> None:
        self.calls.append("init")

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def commit_transaction(self, timeout_s: float) -> None:
        self.calls.append("commit")


@pytest.fixture(autouse=True)
def fake_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "BatchProducer", FakeClient)


def sent(batches: int, *, records: int, seconds: float) -> tuple[list[str], list[int]]:
    """Send as an attempt does while rows never run short; return the calls, and what was told as acknowledged."""
    told: list[Acknowledged] = []
    sender = TransactionalSender(
        {},
        topic="t",
        partition=0,
        delivery_timeout_s=60,
        records=records,
        seconds=seconds,
        on_acknowledged=told.append,
    )
    for number in range(1, batches + 1):
        batch = Records.of([b"x"] * BATCH)
        sender.make_room(batch)
        sender.send(batch, last_line=number * BATCH, place=None)
    client: Any = sender._producer
    return client.calls, [each.records for each in told]


def test_transaction_that_is_old_is_committed_while_rows_keep_coming() -> None:
    """Below some thousand rows a second its records alone would keep it open until Kafka aborts it."""
    assert sent(3, records=1_000_000, seconds=0) == (["init"] + 3 * ["begin", "commit"], [BATCH, 2 * BATCH, 3 * BATCH])


def test_transaction_that_is_young_is_as_long_as_it_may_be() -> None:
    assert sent(5, records=2 * BATCH, seconds=1e9) == (
        ["init", "begin", "commit", "begin", "commit", "begin"],
        [2 * BATCH, 4 * BATCH],
    )
