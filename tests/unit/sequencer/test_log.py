"""Waiting until a partition is at rest: somebody else's writing ends it, and so does the wish to stop."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sequencer import log
from sequencer.errors import ForeignRecordsError
from sequencer.log import PartitionLog
from sequencer.stopping import StopRequest, StopRequestedError

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


class FakeLog(PartitionLog):
    """A partition that has grown, whenever it is looked at, to the next of ``highs``, and stays at the last."""

    def __init__(self, stop: StopRequest) -> None:
        super().__init__(NOBODY, topic="rows", partition=3, stop=stop)
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
    monkeypatch.setattr(log, "time", made)
    yield made
    made.close()


def test_end_is_believed_once_nothing_more_comes(fake_log: FakeLog, caplog: pytest.LogCaptureFixture) -> None:
    fake_log.highs = [7, 7, 9, 10, 10]
    assert fake_log.ends_at_rest(1.0) == (0, 10)
    assert fake_log.now == 2.5, "a second after the last one has come"
    assert caplog.text.count("somebody is still writing to rows[3]") == 1


def test_partition_that_somebody_else_goes_on_writing_to_is_not_waited_for_for_ever(fake_log: FakeLog) -> None:
    fake_log.highs = list(range(7, 10_000))
    with pytest.raises(ForeignRecordsError, match=r"rows\[3\] does not come to rest.*from offset 7 to") as raised:
        fake_log.ends_at_rest(1.0)
    assert (raised.value.exit_code, raised.value.extra) == (76, {"offset": 7})
    assert fake_log.now < 40


def test_long_rest_is_said_before_it_is_waited_for(fake_log: FakeLog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert fake_log.ends_at_rest(35) == (0, 7)
    assert "waiting until nothing has come to rows[3] for 35 s" in caplog.text


def test_waiting_lasts_while_records_come(fake_log: FakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads a busy partition has a record whenever it is polled: a second would be over at once."""
    waited: list[float] = []
    monkeypatch.setattr(StopRequest, "wait", lambda _self, seconds: waited.append(seconds))
    monkeypatch.setattr(
        fake_log, "_consumer", SimpleNamespace(poll=lambda _s: object(), close=fake_log._consumer.close)
    )
    PartitionLog.wait(fake_log, 1.0)
    assert waited == [1.0]


def test_job_that_is_to_stop_does_not_wait_for_the_rest(fake_log: FakeLog, stop: StopRequest) -> None:
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        fake_log.ends_at_rest(3600)


def test_job_that_is_to_stop_reads_no_further(fake_log: FakeLog, stop: StopRequest) -> None:
    stop.request("SIGTERM")
    with pytest.raises(StopRequestedError):
        fake_log.at_or_after(0, 7)
