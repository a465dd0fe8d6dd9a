"""A request to Kafka arrives long after its producer was given up: every row once, in order.

The line to Kafka holds back what a job has sent, and delivers it when its successor waits, or sends already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from pathlib import Path

import pytest

from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.partition import PartitionRef
from tests.support.kafka.distant import DistantKafka, distant_kafka
from tests.support.sequencer.chaos import IS_LONG
from tests.support.sequencer.rig import RunningCommand, SequencerRig
from tests.support.waiting import wait_until

ROWS = 80_000
HELD_BYTES = 200_000
"""More than any request but one with records has."""
SLOW_BYTES_PER_S = 1536 * 1024
SHORT = {"DELIVERY_TIMEOUT_S": "3", "LEASE_S": "12", "RETRIES": "5"}
LONG_TRANSACTIONS = {"TRANSACTION_RECORDS": "20000", "CHECKPOINT_INTERVAL_S": "20"}
"""So that one is open when its requests are held back."""
WAITS = "Waiting for late requests"


class Late(Enum):
    """When the request arrives."""

    BEFORE_THE_RETRY = "before the retry"
    BEFORE_IT_EXPIRES = "between the retry and its expiry"
    WHEN_EXPIRED = "after its expiry"


EXCLUSIVE, TRANSACTIONAL = ("exclusive", ()), ("transactional", ())
UNFENCED = ("exclusive", ("--no-fence",))
ALL = [
    *((*EXCLUSIVE, late) for late in Late),
    (*TRANSACTIONAL, Late.WHEN_EXPIRED),
    (*UNFENCED, Late.BEFORE_IT_EXPIRES),
]
# `make chaos` tries every case for a try that was given up and for a process that was killed.
GIVEN_UP, KILLED = (ALL, ALL) if IS_LONG else (ALL[:1], ALL[2:])


def by_case(cases: list[tuple[str, tuple[str, ...], Late]]) -> pytest.MarkDecorator:
    """Give a test each of the cases."""
    ids = [f"{mode}{''.join(more)}, {late.value}" for mode, more, late in cases]
    return pytest.mark.parametrize(("mode", "options", "late"), cases, ids=ids)


@pytest.fixture(scope="module")
def distant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DistantKafka]:
    with distant_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def rig(distant: DistantKafka, tmp_path: Path) -> Iterator[SequencerRig]:
    """Give a job that reaches Kafka by a slow line."""
    rig = SequencerRig(distant, tmp_path, environment=dict(SHORT))
    rig.write_source(ROWS)
    distant.line.slow_down(SLOW_BYTES_PER_S)
    yield rig
    distant.line.mend()
    distant.line.slow_down(0)


def start(rig: SequencerRig, line: str, mode: str, options: tuple[str, ...]) -> RunningCommand:
    if mode == "transactional":
        rig.environment |= LONG_TRANSACTIONS
    often = ("--compression", "none", "--checkpoint-interval", "2000")
    return rig.start("--bootstrap-servers", line, "--mode", mode, *often, *options)


def wait_until_arrived(rig: SequencerRig, process: RunningCommand, *, topic: str, beyond: int = 0) -> None:
    """Wait until more records have come to a topic."""
    with closing(PartitionReader({"bootstrap.servers": rig.broker.bootstrap}, PartitionRef(topic))) as log:
        wait_until(lambda: log.ends()[1] > beyond, what="it sends", deadline_s=120, poll_s=0.01, explain=process.said)


def wait_until_held(distant: DistantKafka, rig: SequencerRig, process: RunningCommand, *, topic: str = "") -> int:
    """Let the job send, hold back what it sends, and return how many rows Kafka had acknowledged before."""
    wait_until_arrived(rig, process, topic=topic or rig.topic)
    distant.line.hold_back()
    held = "a request with records is held back"
    wait_until(lambda: distant.line.late_bytes > HELD_BYTES, what=held, deadline_s=60, poll_s=0.01)
    return rig.sent()


def deliver(
    distant: DistantKafka, rig: SequencerRig, process: RunningCommand, late: Late, mode: str, before: int
) -> None:
    """Deliver it when it is time: the process is about to settle, or has just been started."""
    if late is Late.BEFORE_IT_EXPIRES:
        wait_until(lambda: WAITS in process.said(), what="it waits", deadline_s=120, explain=process.said)
    if late is Late.WHEN_EXPIRED:
        if mode == "exclusive":
            wait_until(lambda: WAITS in process.said(), what="it waits", deadline_s=120, explain=process.said)
        further = lambda: rig.sent() > before + 5000  # noqa: E731  one line is enough
        wait_until(further, what="it sends again", deadline_s=120, poll_s=0.01, explain=process.said)
    distant.line.deliver_late()
    distant.line.slow_down(0)


def assert_done(rig: SequencerRig, process: RunningCommand) -> None:
    ended = rig.end_of(process)
    assert ended.code == 0, str(ended)
    rig.assert_proven(ROWS)


@pytest.mark.timeout(400)
@by_case(GIVEN_UP)
def test_late_request_of_a_failed_attempt_does_not_break_the_order(
    distant: DistantKafka, rig: SequencerRig, mode: str, options: tuple[str, ...], late: Late
) -> None:
    with start(rig, distant.line.address, mode, options) as process:
        before = wait_until_held(distant, rig, process)
        wait_until(
            lambda: "Attempt failed; retrying" in process.said(),
            what="it gives up",
            deadline_s=120,
            explain=process.said,
        )
        deliver(distant, rig, process, late, mode, before)
        assert_done(rig, process)


@pytest.mark.timeout(400)
@by_case(KILLED)
def test_late_request_of_a_killed_process_does_not_break_the_order(
    distant: DistantKafka, rig: SequencerRig, mode: str, options: tuple[str, ...], late: Late
) -> None:
    """Its successor acquires the lease immediately, because the process has ended."""
    with start(rig, distant.line.address, mode, options) as killed:
        before = wait_until_held(distant, rig, killed)
        killed.kill()
    with start(rig, distant.line.address, mode, options) as process:
        deliver(distant, rig, process, late, mode, before)
        assert_done(rig, process)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("late", list(Late)[1:] if IS_LONG else [Late.WHEN_EXPIRED], ids=lambda late: late.value)
def test_dead_letter_that_arrives_late_is_there_once(distant: DistantKafka, rig: SequencerRig, late: Late) -> None:
    bad = range(2, ROWS, 2)
    rig.write_source(ROWS, bad=bad)
    topic = rig.new_topic()
    options = ("--on-bad-row", "dead-letter", "--dead-letter-topic", topic)
    with start(rig, distant.line.address, "exclusive", options) as killed:
        wait_until_held(distant, rig, killed, topic=topic)
        killed.kill()
    letters = PartitionReader({"bootstrap.servers": distant.bootstrap}, PartitionRef(topic))
    with closing(letters), start(rig, distant.line.address, "exclusive", options) as process:
        before = letters.ends()[1]
        wait_until(lambda: WAITS in process.said(), what="it waits", deadline_s=120, explain=process.said)
        if late is Late.WHEN_EXPIRED:
            wait_until_arrived(rig, process, topic=topic, beyond=before)
        distant.line.deliver_late()
        distant.line.slow_down(0)
        ended = rig.end_of(process)
        assert ended.code == 0, str(ended)
        lines = [json.loads(value)["_source_line"] for value in letters.values(*letters.ends())]
    assert lines == list(bad)
    rig.assert_proven(ROWS, "--dead-letter-topic", topic, "--job-id", rig.job_id)
