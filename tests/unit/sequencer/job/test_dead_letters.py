"""Dead letters on their way, with a sender that keeps what it is handed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any, ClassVar

import pytest

from sequencer.job import dead_letters
from sequencer.job.dead_letters import DeadLetters, dead_letter_json
from sequencer.kafka.sender import BATCH_BYTES
from sequencer.model.blocks import DeadLetter
from sequencer.model.records import Records
from sequencer.shutdown import StopRequest, StopRequestedError

BAD = 20_000


class FakeLog:
    """A dead-letter topic that has grown by the next of ``growth`` whenever it was waited for."""

    growth: ClassVar[list[list[bytes]]] = []

    def __init__(self, _client: dict[str, Any], *, stop: StopRequest, **_where: Any) -> None:
        self.content: list[bytes] = []
        self.stop = stop
        self.waits = 0

    def ends(self) -> tuple[int, int]:
        return 0, len(self.content)

    def values(self, begin: int, high: int) -> list[bytes]:
        return self.content[begin:high]

    def wait(self, seconds: float) -> None:
        self.stop.check()
        self.waits += 1
        self.content += self.growth.pop(0) if self.growth else [other(0)]

    def close(self) -> None:
        """Nothing is open."""


class FakeSender:
    """Takes one batch at a time, as large as the first window at most."""

    def __init__(self, _config: dict[str, Any], **_how: Any) -> None:
        self.pending = False
        self.lines: list[int] = []

    def send(self, records: Records, *, last_line: int, place: None) -> None:
        assert not self.pending, "nothing is behind what may have to be given up"
        assert records.size_bytes <= BATCH_BYTES
        self.lines += [json.loads(record)["_source_line"] for record in records]
        assert self.lines[-1] == last_line
        self.pending = True

    def drain(self, *, until: Callable[[], bool]) -> bool:
        self.pending = False
        return not until()

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def fake_senders(monkeypatch: pytest.MonkeyPatch) -> list[FakeSender]:
    senders: list[FakeSender] = []

    def fake_sender(config: dict[str, Any], **how: Any) -> FakeSender:
        senders.append(FakeSender(config, **how))
        return senders[-1]

    monkeypatch.setattr(dead_letters, "PartitionReader", FakeLog)
    monkeypatch.setattr(dead_letters, "Sender", fake_sender)
    return senders


def other(line: int) -> bytes:
    return dead_letter_json(DeadLetter(line, "a.csv", "x", "bad"), job_id="another", etag="etag")


def ours(line: int) -> bytes:
    return dead_letter_json(DeadLetter(line, "a.csv", "x", "bad"), job_id="job", etag="etag")


def opened(stop: StopRequest | None = None) -> DeadLetters:
    return DeadLetters(
        {},
        topic="dead",
        job_id="job",
        etags={"a.csv": "etag"},
        compression="none",
        level=None,
        delivery_timeout_s=60,
        expiry_s=90,
        stop=stop or StopRequest(),
    )


LETTERS = [DeadLetter(line, "a.csv", "x", "has too few fields " * 10) for line in range(1, BAD + 1)]


def test_block_of_bad_rows_goes_out_in_batches_that_the_clients_queue_takes(fake_senders: list[FakeSender]) -> None:
    """Two bytes of a row are some 150 of a letter: a block of 2 MB would be 150 MB of them."""
    with closing(opened()) as letters:
        assert letters.send(LETTERS, may_send=lambda: True, until=lambda: False)
        assert letters.send(LETTERS, may_send=lambda: True, until=lambda: False), "they are not sent again"
    assert fake_senders[0].lines == list(range(1, BAD + 1))


def test_lease_is_asked_for_before_each_batch(fake_senders: list[FakeSender]) -> None:
    answers = [True, False, True, True]
    with closing(opened()) as letters:
        assert not letters.send(LETTERS, may_send=lambda: answers.pop(0), until=lambda: False)
        first = len(fake_senders[0].lines)
        assert 0 < first < BAD
        assert letters.send(LETTERS, may_send=lambda: True, until=lambda: False)
    assert fake_senders[0].lines == list(range(1, BAD + 1)), "what Kafka has is not sent again"


@pytest.mark.usefixtures("fake_senders")
def test_busy_topic_of_others_does_not_hold_a_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows whenever it is looked at; what counts is that nothing of ours comes any more."""
    growth = [[ours(1), other(1)], [other(2), ours(7)], [other(3)]]
    monkeypatch.setattr(FakeLog, "growth", growth)
    with closing(opened()) as letters:
        assert letters.find_sent_lines() == {1, 7}
    assert growth == [], "a second after the last of ours was looked at too"


@pytest.mark.usefixtures("fake_senders")
def test_job_that_is_to_stop_does_not_look_for_its_letters() -> None:
    stop = StopRequest()
    with closing(opened(stop)) as letters:
        stop.request("SIGTERM")
        with pytest.raises(StopRequestedError):
            letters.find_sent_lines()
