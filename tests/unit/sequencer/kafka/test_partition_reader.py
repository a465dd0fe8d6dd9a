"""Waiting until a partition is idle, which another producer or a stop request ends."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest

from sequencer.errors import ForeignRecordsError
from sequencer.kafka import partition_reader
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.partition import PartitionRef
from sequencer.shutdown import StopRequest, StopRequestedError

NOBODY: dict[str, object] = {"bootstrap.servers": "127.0.0.1:1"}


class FakeLog(PartitionReader):
    """A partition that has grown, whenever it is looked at, to the next of ``highs``, and stays at the last."""

    def __init__(self, stop: StopRequest) -> None:
        super().__init__(NOBODY, PartitionRef("rows", 3), stop=stop)
        self.highs = [7]
        self.now = 0.0

    def ends(self) -> tuple[int, int]:
        return 0, self.highs.pop(0) if len(self.highs) > 1 else self.highs[0]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        super().wait(0)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def stop() -> StopRequest:
    return StopRequest()


@pytest.fixture
def fake_log(stop: StopRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLog]:
    """Give a log whose clock goes only while it is waited for."""
    made = FakeLog(stop)
    monkeypatch.setattr(partition_reader, "time", made)
    yield made
    made.close()


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of the reader's log lines; the Kafka client has lines of its own."""
    return [vars(record) for record in caplog.records if record.name == partition_reader.__name__]


def test_end_is_final_once_the_partition_is_idle(fake_log: FakeLog, caplog: pytest.LogCaptureFixture) -> None:
    fake_log.highs = [7, 7, 9, 10, 10]
    assert fake_log.wait_until_idle(1.0) == (0, 10)
    assert fake_log.now == 2.5, "a second after the last one has come"
    assert [(fields["topic"], fields["partition"]) for fields in logged(caplog)] == [("rows", 3)]


def test_partition_that_keeps_growing_is_not_waited_for_forever(fake_log: FakeLog) -> None:
    fake_log.highs = list(range(7, 10_000))
    with pytest.raises(ForeignRecordsError, match=r"rows\[3\]") as raised:
        fake_log.wait_until_idle(1.0)
    assert (raised.value.exit_code, raised.value.extra) == (76, {"offset": 7})
    assert fake_log.now < 40


def test_long_wait_is_logged_before_it_starts(fake_log: FakeLog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert fake_log.wait_until_idle(35) == (0, 7)
    assert [fields["duration_s"] for fields in logged(caplog)] == [35]


def test_waiting_lasts_while_records_come(fake_log: FakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads a busy partition has a record whenever it is polled: the wait would end immediately."""
    waited: list[float] = []
    monkeypatch.setattr(StopRequest, "wait", lambda _self, seconds: waited.append(seconds))
    monkeypatch.setattr(
        fake_log, "_consumer", SimpleNamespace(poll=lambda _s: object(), close=fake_log._consumer.close)
    )
    PartitionReader.wait(fake_log, 1.0)
    assert waited == [1.0]


def test_stop_request_ends_the_wait_for_an_idle_partition(fake_log: FakeLog, stop: StopRequest) -> None:
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        fake_log.wait_until_idle(3600)


def test_stop_request_ends_reading(fake_log: FakeLog, stop: StopRequest) -> None:
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        fake_log.at_or_after(0, 7)


class FakeConsumer:
    """Has messages of these sizes, and gives as many as it is asked for."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._given = 0
        self.most_bytes = 0

    def assign(self, _places: object) -> None:
        """Begin at the first."""

    def consume(self, count: int, *, timeout: float) -> list[FakeMessage]:
        assert timeout
        sizes = self._sizes[self._given : self._given + count]
        given = [FakeMessage(self._given + number, size) for number, size in enumerate(sizes)]
        self._given += len(given)
        self.most_bytes = max(self.most_bytes, sum(sizes))
        return given


class FakeMessage(bytes):
    """A message without an error, all of which is its value."""

    at: int

    def __new__(cls, at: int, size: int) -> Self:
        made = super().__new__(cls, size)
        made.at = at
        return made

    def error(self) -> None:
        return None

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes:
        return self


LENGTHS = {
    "long ones": [100_000] * 1000,
    "longer than a batch": [9_000_000] * 5,
    "long after short": [100] * 20_000 + [50_000] * 1500,
    "short ones": [100] * 100_000,
}


@pytest.mark.parametrize("lengths", LENGTHS)
def test_size_of_a_fetch_is_bounded_in_bytes(fake_log: FakeLog, monkeypatch: pytest.MonkeyPatch, lengths: str) -> None:
    """Ten thousand records of 100 KB were a gigabyte."""
    sizes = LENGTHS[lengths]
    consumer = FakeConsumer(sizes)
    with monkeypatch.context() as patched:
        patched.setattr(fake_log, "_consumer", consumer)
        batches = [(offsets, [len(value) for value in values]) for offsets, values in fake_log.batches(0, len(sizes))]
    assert [offset for offsets, _ in batches for offset in offsets] == list(range(len(sizes)))
    assert [size for _, found in batches for size in found] == sizes
    if lengths == "long after short":  # one batch may be as many as the short ones were
        assert [sum(found) > partition_reader.BATCH_BYTES for _, found in batches].count(True) <= 1
        assert sum(batches[-1][1]) <= partition_reader.BATCH_BYTES
    else:
        assert consumer.most_bytes <= max(partition_reader.BATCH_BYTES, *sizes)
    if lengths == "short ones":
        assert len(batches) < 50, "few calls for many short records"
