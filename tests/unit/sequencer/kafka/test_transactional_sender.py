"""When a transaction is committed, by a fake client; Kafka's own part is tested on a real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import TemporaryFailureError
from sequencer.errors import NotAllowedError
from sequencer.kafka import sender, transactional_sender
from sequencer.kafka.sender import Acknowledged
from sequencer.kafka.transactional_sender import TransactionalSender
from sequencer.model.records import Records
from sequencer.shutdown import StopRequest, StopRequestedError

BATCH = 100


class FakeClient:
    """Acknowledges what it is handed when it is polled, and counts transactions."""

    made: ClassVar[list[FakeClient]] = []
    refusals: ClassVar[list[int]] = []
    """What Kafka says to the next calls of ``init_transactions``."""

    def __init__(self, _config: dict[str, Any], *, on_delivered: Callable[..., None], **_more: Any) -> None:
        self.calls: list[str] = []
        self.made.append(self)
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

    def flush_soon(self) -> None:
        """There is no lingering."""

    def init_transactions(self, timeout_s: float) -> None:
        self.calls.append("init")
        if self.refusals:
            raise KafkaException(KafkaError(self.refusals.pop(0)))

    def purge(self) -> None:
        """Nothing is queued."""

    def close(self) -> None:
        self.calls.append("close")

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def commit_transaction(self, timeout_s: float) -> None:
        self.calls.append("commit")


@pytest.fixture(autouse=True)
def fake_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BatchProducer", FakeClient)
    monkeypatch.setattr(FakeClient, "made", [])


def opened(
    *,
    records: int = 1,
    seconds: float = 1,
    stop: StopRequest | None = None,
    told: Callable[[Acknowledged], None] = lambda _: None,
) -> TransactionalSender:
    return TransactionalSender(
        {},
        topic="t",
        partition=0,
        delivery_timeout_s=60,
        records=records,
        seconds=seconds,
        stop=stop or StopRequest(),
        on_acknowledged=told,
    )


def sent(batches: int, *, records: int, seconds: float) -> tuple[list[str], list[int]]:
    """Send as an attempt does while rows never run short; return the calls, and what was told as acknowledged."""
    told: list[Acknowledged] = []
    sender = opened(records=records, seconds=seconds, told=told.append)
    for number in range(1, batches + 1):
        batch = Records.of([b"x"] * BATCH)
        sender.wait_for_capacity(batch)
        sender.send(batch, last_line=number * BATCH, place=None)
    return FakeClient.made[0].calls, [each.records for each in told]


def test_transaction_that_is_old_is_committed_while_rows_keep_coming() -> None:
    """Below some thousand rows a second its records alone would keep it open until Kafka aborts it."""
    assert sent(3, records=1_000_000, seconds=0) == (["init"] + 3 * ["begin", "commit"], [BATCH, 2 * BATCH, 3 * BATCH])


def test_transaction_that_is_young_is_as_long_as_it_may_be() -> None:
    assert sent(5, records=2 * BATCH, seconds=1e9) == (
        ["init", "begin", "commit", "begin", "commit", "begin"],
        [2 * BATCH, 4 * BATCH],
    )


def test_predecessor_is_locked_out_by_as_many_steps_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that has taken its time fails with what Kafka has said last, and the next one goes on."""
    monkeypatch.setattr(transactional_sender, "_CALL_S", 0.0)
    monkeypatch.setattr(FakeClient, "refusals", [KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError._TIMED_OUT])
    opened()
    assert FakeClient.made[0].calls == 3 * ["init"]


def test_predecessor_that_cannot_be_locked_out_in_time_ends_the_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactional_sender, "_CALL_S", 0.0)
    monkeypatch.setattr(transactional_sender, "_INIT_S", -1.0)
    monkeypatch.setattr(FakeClient, "refusals", [KafkaError._TIMED_OUT])
    with pytest.raises(TemporaryFailureError):
        opened()
    assert FakeClient.made[0].calls == ["init", "close"]


def test_refusal_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClient, "refusals", [KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED])
    with pytest.raises(NotAllowedError):
        opened()
    assert FakeClient.made[0].calls == ["init", "close"]


def test_job_that_is_to_stop_locks_nobody_out() -> None:
    stop = StopRequest()
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        opened(stop=stop)
    assert FakeClient.made[0].calls == ["close"]
