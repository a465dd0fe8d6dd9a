"""How long the listener reads on past dead letters."""

from __future__ import annotations

from collections.abc import Mapping

from dags.modules.batch import Batch
from dags.modules.listener_run import DEADLINE_S, DEADLINE_WITH_RUNS_S, drain_past_dead_letters
from dags.modules.records import Record, RejectedRecord
from dags.modules.run_request import RunRequest
from dags.modules.settings import DRAIN_MAX_MESSAGES


class FakeTopic:
    """Hands out batches that a test gives, and takes ``read_s`` for each on a clock of its own."""

    def __init__(self, *batches: tuple[int, int], read_s: float = 0.0) -> None:
        self.batches = list(batches)
        self.read_s = read_s
        self.now = 0.0
        self.reads: list[dict[int, int]] = []
        self.deadlines: list[float] = []

    def read(self, after: Mapping[int, int], deadline_s: float) -> Batch:
        self.reads.append(dict(after))
        self.deadlines.append(deadline_s)
        self.now += self.read_s
        valid, dead = self.batches.pop(0) if self.batches else (0, 0)
        end = after.get(0, 0) + valid + dead
        record = Record(topic="t", partition=0, offset=0, key=None, value=None)
        return Batch(
            runs=[RunRequest(run_id=f"r{len(self.reads)}", note="", conf={})] if valid else [],
            rejected=[RejectedRecord(record=record, code="c", reason="r")] * dead,
            offsets={0: end} if valid + dead else {},
            valid_count=valid,
        )


def test_drain_continues_past_dead_letters() -> None:
    topic = FakeTopic(*[(0, 500)] * 20)
    drained = drain_past_dead_letters(topic.read, clock=lambda: topic.now)
    assert (drained.message_count, drained.dead_letter_count, drained.batch.runs) == (10_000, 10_000, [])
    assert drained.batch.offsets == {0: 10_000}
    assert topic.reads[:3] == [{}, {0: 500}, {0: 1000}]


def test_valid_messages_end_the_drain() -> None:
    topic = FakeTopic((0, 500), (300, 200), (500, 0))
    drained = drain_past_dead_letters(topic.read, clock=lambda: topic.now)
    assert [run.run_id for run in drained.batch.runs] == ["r2"]
    assert drained.batch.offsets == {0: 1000}


def test_few_valid_messages_shorten_the_deadline() -> None:
    topic = FakeTopic((1, 499), *[(0, 500)] * 100, read_s=1.0)
    drained = drain_past_dead_letters(topic.read, clock=lambda: topic.now)
    assert len(drained.batch.runs) == 1
    assert topic.now == 1 + DEADLINE_WITH_RUNS_S


def test_dead_letters_are_drained_for_up_to_a_minute() -> None:
    topic = FakeTopic(*[(0, 500)] * 1000, read_s=1.0)
    drained = drain_past_dead_letters(topic.read, clock=lambda: topic.now)
    assert topic.now == DEADLINE_S
    assert drained.dead_letter_count == 500 * DEADLINE_S
    assert topic.deadlines[:2] == [DEADLINE_S, DEADLINE_S - 1], "the reads share one deadline"


def test_batch_size_is_limited() -> None:
    topic = FakeTopic(*[(200, 300)] * 100)
    drained = drain_past_dead_letters(topic.read, clock=lambda: topic.now)
    assert drained.batch.valid_count == 600 < DRAIN_MAX_MESSAGES * 2
    assert len(topic.reads) == 3


def test_empty_topic_is_read_once() -> None:
    topic = FakeTopic()
    assert drain_past_dead_letters(topic.read, clock=lambda: topic.now).message_count == 0
    assert len(topic.reads) == 1
