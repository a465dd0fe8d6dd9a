"""Dead letters, with a fake topic whose sender keeps what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import pytest

from sequencer.job.dead_letters import DeadLetters, dead_letter_json
from sequencer.job.in_flight import InFlight
from sequencer.kafka.sender import BATCH_BYTES
from sequencer.model.blocks import DeadLetter
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition
from sequencer.shutdown import StopRequest, StopRequestedError

BAD = 20_000


class FakeReader:
    """A dead-letter topic that has grown by the next of ``growth`` after each wait."""

    def __init__(self, growth: list[list[bytes]], stop: StopRequest) -> None:
        self.content: list[bytes] = []
        self.growth = growth
        self.stop = stop

    def ends(self) -> tuple[int, int]:
        return 0, len(self.content)

    def values(self, begin: int, high: int) -> list[bytes]:
        return self.content[begin:high]

    def wait(self, seconds: float) -> None:
        self.stop.check()
        self.content += self.growth.pop(0) if self.growth else [other(0)]

    def close(self) -> None:
        """Nothing is open."""


class FakeSender:
    """Accepts one batch at a time, as large as the first window at most."""

    queued_until = 0.0

    def __init__(self) -> None:
        self.pending = False
        self.lines: list[int] = []

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        assert not self.pending, "nothing is queued after what may have to be dropped"
        assert records.size_bytes <= BATCH_BYTES
        self.lines += [json.loads(record)["_source_line"] for record in records]
        assert self.lines[-1] == last_line
        self.pending = True

    def drain(self, *, until: Callable[[], bool]) -> bool:
        self.pending = False
        return not until()

    def close(self) -> None:
        """Nothing is open."""


class FakeTopic:
    """Opens a fake reader and one fake sender."""

    partition = PartitionRef("dead")

    def __init__(self) -> None:
        self.growth: list[list[bytes]] = []
        self.stop = StopRequest()
        self.sender = FakeSender()

    def open_reader(self) -> FakeReader:
        return FakeReader(self.growth, self.stop)

    def open_sender(self) -> FakeSender:
        return self.sender

    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self, job_id="job", etags={"a.csv": "etag"}, in_flight=InFlight())


def other(line: int) -> bytes:
    return dead_letter_json(DeadLetter(line, "a.csv", "x", "bad"), job_id="another", etag="etag")


def ours(line: int) -> bytes:
    return dead_letter_json(DeadLetter(line, "a.csv", "x", "bad"), job_id="job", etag="etag")


BAD_ROWS = [DeadLetter(line, "a.csv", "x", "has too few fields " * 10) for line in range(1, BAD + 1)]


def test_block_of_bad_rows_is_sent_in_batches_that_fit_the_clients_queue() -> None:
    """Two bytes of a row are some 150 of a dead letter: a block of 2 MB would be 150 MB of them."""
    topic = FakeTopic()
    with closing(topic.dead_letters()) as dead_letters:
        assert dead_letters.send(BAD_ROWS, may_send=lambda: True, until=lambda: False)
        assert dead_letters.send(BAD_ROWS, may_send=lambda: True, until=lambda: False), "they are not sent again"
    assert topic.sender.lines == list(range(1, BAD + 1))


def test_lease_is_checked_before_each_batch() -> None:
    topic, answers = FakeTopic(), [True, False, True, True]
    with closing(topic.dead_letters()) as dead_letters:
        assert not dead_letters.send(BAD_ROWS, may_send=lambda: answers.pop(0), until=lambda: False)
        first = len(topic.sender.lines)
        assert 0 < first < BAD
        assert dead_letters.send(BAD_ROWS, may_send=lambda: True, until=lambda: False)
    assert topic.sender.lines == list(range(1, BAD + 1)), "acknowledged dead letters are not sent again"


def test_topic_that_other_jobs_write_to_does_not_delay_a_start() -> None:
    """It grows whenever it is read; only dead letters of this job matter."""
    topic = FakeTopic()
    topic.growth = [[ours(1), other(1)], [other(2), ours(7)], [other(3)]]
    with closing(topic.dead_letters()) as dead_letters:
        assert dead_letters.find_sent_lines() == {1, 7}
    assert topic.growth == [], "a second after the last dead letter of this job was read too"


def test_stop_request_ends_the_scan_for_dead_letters() -> None:
    topic = FakeTopic()
    with closing(topic.dead_letters()) as dead_letters:
        topic.stop.request("SIGTERM")
        with pytest.raises(StopRequestedError):
            dead_letters.find_sent_lines()
