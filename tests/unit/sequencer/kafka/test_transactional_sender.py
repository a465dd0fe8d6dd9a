"""When a transaction is committed, with a fake producer; Kafka's part is tested with a real broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import NotAllowedError, TemporaryFailureError
from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import Acknowledged
from sequencer.kafka.transactional_sender import TransactionalSender, TransactionLimits
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.shutdown import StopRequest, StopRequestedError

BATCH = 100


class FakeProducer(BatchProducer):
    """Acknowledges records when it is polled, and counts transactions."""

    def __init__(self, refusals: list[int]) -> None:
        self.calls: list[str] = []
        self.refusals = refusals
        """Error codes of the next calls of ``init_transactions``."""
        self._acknowledge: Callable[..., None] = lambda *_: None
        self._queued: list[int] = []
        self._offset = 0

    def opened(self, _config: dict[str, Any], _partition: PartitionRef, **how: Any) -> BatchProducer:
        """Return itself, as a new producer."""
        self._acknowledge = how["on_delivered"]
        return self

    def produce(self, records: Records) -> None:
        self._queued.append(len(records))

    def poll(self, timeout_s: float) -> None:
        while timeout_s and self._queued:
            count = self._queued.pop(0)
            self._offset += count
            self._acknowledge(None, count, self._offset - count)

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


def opened(
    producer: FakeProducer,
    limits: TransactionLimits = TransactionLimits(records=1, open_s=1),  # noqa: B008  immutable
    *,
    stop: StopRequest | None = None,
    on_acknowledged: Callable[[Acknowledged], None] = lambda _: None,
) -> TransactionalSender:
    return TransactionalSender(
        ProducerOptions(compression="none", transactional_id="job"),
        PartitionRef("t"),
        limits=limits,
        stop=stop or StopRequest(),
        on_acknowledged=on_acknowledged,
        new_producer=producer.opened,
    )


def sent(batches: int, *, records: int, seconds: float) -> tuple[list[str], list[int]]:
    """Send while rows are always available; return the calls, and the numbers of acknowledged records."""
    acknowledged: list[Acknowledged] = []
    producer = FakeProducer([])
    limits = TransactionLimits(records=records, open_s=seconds)
    sender = opened(producer, limits, on_acknowledged=acknowledged.append)
    for number in range(1, batches + 1):
        batch = Records.from_values([b"x"] * BATCH)
        sender.wait_for_capacity(batch)
        sender.send(batch, last_line=number * BATCH, place=None)
    return producer.calls, [each.records for each in acknowledged]


def test_transaction_that_is_old_is_committed_while_rows_keep_coming() -> None:
    """Below some thousand rows a second its records alone would keep it open until Kafka aborts it."""
    assert sent(3, records=1_000_000, seconds=0) == (["init"] + 3 * ["begin", "commit"], [BATCH, 2 * BATCH, 3 * BATCH])


def test_transaction_that_is_young_is_as_long_as_it_may_be() -> None:
    assert sent(5, records=2 * BATCH, seconds=1e9) == (
        ["init", "begin", "commit", "begin", "commit", "begin"],
        [2 * BATCH, 4 * BATCH],
    )


def test_predecessor_is_fenced_in_as_many_calls_as_needed() -> None:
    """A call that times out fails with the last error from Kafka, and the next one continues."""
    producer = FakeProducer([KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError._TIMED_OUT])
    opened(producer, TransactionLimits(records=1, open_s=1, call_s=0.0))
    assert producer.calls == 3 * ["init"]


def test_predecessor_that_cannot_be_fenced_in_time_fails_the_attempt() -> None:
    producer = FakeProducer([KafkaError._TIMED_OUT])
    with pytest.raises(TemporaryFailureError):
        opened(producer, TransactionLimits(records=1, open_s=1, init_s=-1.0, call_s=0.0))
    assert producer.calls == ["init", "close"]


def test_refusal_is_not_retried() -> None:
    producer = FakeProducer([KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED])
    with pytest.raises(NotAllowedError):
        opened(producer)
    assert producer.calls == ["init", "close"]


def test_stop_request_prevents_fencing() -> None:
    producer, stop = FakeProducer([]), StopRequest()
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        opened(producer, stop=stop)
    assert producer.calls == ["close"]
