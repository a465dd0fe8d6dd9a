"""A job on a real broker that is interrupted, or finds another one, or another source than before."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from sequencer.model.checkpoint import JobStatus
from tests.support.sequencer.held_source import HeldSource, held_source
from tests.support.sequencer.other_producer import another_producer_writing
from tests.support.sequencer.rig import RunningCommand, SequencerRig
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until

ROWS = 60_000
HELD_ROWS = 150_000
LONG_LEASE = {"LEASE_S": "600", "DELIVERY_TIMEOUT_S": "300"}
"""So that a suspended process keeps it, however slow the test is."""
MODES = ("exclusive", "transactional")


@pytest.fixture
def rig(kafka_broker: KafkaBroker, tmp_path: Path) -> SequencerRig:
    return SequencerRig(kafka_broker, tmp_path)


@pytest.fixture
def held(rig: SequencerRig) -> Iterator[HeldSource]:
    with held_source(rig) as held:
        yield held


def wait_until_under_way(rig: SequencerRig, process: RunningCommand) -> None:
    wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01, explain=process.said)


@pytest.mark.parametrize("mode", MODES)
def test_killed_job_resumes_after_the_records_in_kafka(rig: SequencerRig, held: HeldSource, mode: str) -> None:
    held.write(HELD_ROWS)
    with rig.start("--mode", mode, "--checkpoint-interval", "1000") as process:
        wait_until_under_way(rig, process)
        process.kill()
    held.release()
    ended = rig.run("--mode", mode)
    assert ended.code == 0, str(ended)
    rig.assert_proven(HELD_ROWS)


@pytest.mark.parametrize("mode", MODES)
def test_lost_checkpoint_is_found_again_in_the_log(rig: SequencerRig, mode: str) -> None:
    rig.write_source(ROWS)
    assert rig.run("--mode", mode, "--limit", "20000").code == 0
    rig.forget_checkpoint()
    assert rig.run("--mode", mode).code == 0
    rig.assert_proven(ROWS)


def test_termination_drains_and_the_next_start_resumes(rig: SequencerRig, held: HeldSource) -> None:
    held.write(HELD_ROWS)
    with rig.start("--checkpoint-interval", "1000") as process:
        wait_until_under_way(rig, process)
        process.send_signal(signal.SIGTERM)
        held.release()
        ended = rig.end_of(process)
    assert ended.code == 0, str(ended)
    noted = rig.checkpoint()
    assert noted is not None
    assert noted.status is JobStatus.STOPPED
    assert rig.verify("--expect-rows", str(noted.total_sent)).code == 0
    assert rig.run().code == 0
    rig.assert_proven(HELD_ROWS)


def test_second_process_is_rejected_with_the_name_of_the_first(rig: SequencerRig, held: HeldSource) -> None:
    held.write(HELD_ROWS)
    rig.environment |= {**LONG_LEASE, "LEASE_WAIT_S": "1"}
    with rig.start("--checkpoint-interval", "1000") as first:
        wait_until_under_way(rig, first)
        second = rig.run()
        held.release()
        assert rig.end_of(first).code == 0
    assert second.code == 75, str(second)
    assert f"/{first.pid}/" in second.err
    rig.assert_proven(HELD_ROWS)


def test_second_process_waits_for_the_first_and_resumes_after_it(rig: SequencerRig, held: HeldSource) -> None:
    held.write(HELD_ROWS)
    rig.environment |= LONG_LEASE
    with rig.start("--checkpoint-interval", "1000") as first:
        wait_until_under_way(rig, first)
        with rig.start() as second:
            said = f"/{first.pid}/"
            wait_until(lambda: said in second.said(), what="it waits", deadline_s=60, explain=second.said)
            first.send_signal(signal.SIGTERM)
            held.release()
            assert rig.end_of(first).code == 0
            ended = rig.end_of(second)
    assert ended.code == 0, str(ended)
    assert "Another process holds the lease" in ended.err
    rig.assert_proven(HELD_ROWS)


def test_termination_ends_the_waiting_for_the_lease_of_another(rig: SequencerRig, held: HeldSource) -> None:
    held.write(HELD_ROWS)
    rig.environment |= LONG_LEASE
    with rig.start("--checkpoint-interval", "1000") as first:
        wait_until_under_way(rig, first)
        with rig.start() as second:
            wait_until(
                lambda: "Another process holds the lease" in second.said(),
                what="it waits",
                deadline_s=60,
                explain=second.said,
            )
            second.send_signal(signal.SIGTERM)
            ended = rig.end_of(second)
        first.kill()
    assert ended.code == 0, str(ended)
    assert "STOPPED" in ended.out


def test_termination_ends_the_wait_for_an_idle_partition(rig: SequencerRig) -> None:
    rig.write_source(100)
    rig.environment = {"STOPPED_EXIT_CODE": "99"}
    with another_producer_writing(rig.broker, rig.topic), rig.start() as process:
        wait_until(lambda: "still being written to" in process.said(), what="it waits", deadline_s=60)
        process.send_signal(signal.SIGTERM)
        ended = rig.end_of(process)
    assert ended.code == 99, str(ended)
    assert rig.checkpoint() is None


def test_termination_ends_the_waiting_for_the_transaction_of_another(rig: SequencerRig) -> None:
    rig.write_source(100)
    ids = {"transactional.id": uuid.uuid4().hex, "transaction.timeout.ms": 600_000}
    other = Producer({"bootstrap.servers": rig.broker.bootstrap, **ids})
    other.init_transactions(60)
    other.begin_transaction()
    other.produce(rig.topic, b"from another producer", partition=0)
    assert other.flush(30) == 0
    with rig.start("--mode", "transactional") as process:
        wait_until(lambda: "open transaction of another producer" in process.said(), what="it waits", deadline_s=60)
        process.send_signal(signal.SIGTERM)
        ended = rig.end_of(process)
    other.abort_transaction(30)
    assert ended.code == 0, str(ended)
    assert rig.checkpoint() is None
    assert rig.run("--mode", "transactional").code == 0


def test_changed_source_is_rejected(rig: SequencerRig) -> None:
    rig.write_source(1000)
    assert rig.run("--limit", "10").code == 0
    rig.write_source(1001)
    ended = rig.run()
    assert ended.code == 66
    assert "another JOB_ID" in ended.err.replace("\n", " ")


@pytest.mark.parametrize("mode", MODES)
def test_source_that_was_changed_is_seen_without_a_checkpoint_too(rig: SequencerRig, mode: str) -> None:
    """The rows of the new file up to the last one of the old file would be skipped unnoticed."""
    rig.write_source(1000)
    assert rig.run("--mode", mode).code == 0
    rig.forget_checkpoint()
    text = Path(rig.source).read_text(encoding="utf-8")
    Path(rig.source).write_text(text.replace("größe", "grösse"), encoding="utf-8")
    for _ in range(2):  # what the first of them notes does not deceive the second
        ended = rig.run("--mode", mode)
        assert ended.code == 76, str(ended)
        assert "holds row 1000" in ended.err.replace("\n", " ")
    rig.forget_checkpoint()
    rig.write_source(900)
    assert rig.run("--mode", mode).code == 76, "it ends before the log does"


@pytest.mark.parametrize("mode", MODES)
def test_job_does_not_resume_in_another_topic(rig: SequencerRig, mode: str) -> None:
    rig.write_source(100)
    assert rig.run("--mode", mode, "--limit", "50").code == 0
    rig.topic = rig.new_topic()
    ended = rig.run("--mode", mode)
    assert ended.code == 2, str(ended)
    assert "KAFKA_TOPIC" in ended.err


@pytest.mark.parametrize("mode", MODES)
def test_records_that_kafka_has_lost_stop_the_job(rig: SequencerRig, mode: str) -> None:
    rig.write_source(100)
    assert rig.run("--mode", mode, "--limit", "50").code == 0
    rig.make_topic_anew()
    ended = rig.run("--mode", mode)
    assert ended.code == 74, str(ended)
