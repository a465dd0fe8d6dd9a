"""Topics that are not as a job needs them, on a real broker: refused, adapted to, or found out at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from sequencer.kafka.partition_reader import PartitionReader
from sequencer.kafka.timestamp_fence import OPTION
from sequencer.kafka.topic_options import topic_options
from sequencer.model.checkpoint import JobStatus
from sequencer.model.partition import PartitionRef
from tests.support.sequencer.held_source import HeldSource, held_source
from tests.support.sequencer.rig import SequencerRig
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until

MODES = ("exclusive", "transactional")


@pytest.fixture
def rig(kafka_broker: KafkaBroker, tmp_path: Path) -> SequencerRig:
    return SequencerRig(kafka_broker, tmp_path)


@pytest.fixture
def held(rig: SequencerRig) -> Iterator[HeldSource]:
    with held_source(rig) as held:
        yield held


def set_option(rig: SequencerRig, name: str, value: str, *, topic: str = "") -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic or rig.topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": rig.broker.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(30)


def option(rig: SequencerRig, name: str, *, topic: str = "") -> str:
    return topic_options({"bootstrap.servers": rig.broker.bootstrap}, topic or rig.topic).text(name)


def delete_records(rig: SequencerRig, before: int) -> None:
    """Remove the first records of the partition, as retention does."""
    admin = AdminClient({"bootstrap.servers": rig.broker.bootstrap})
    place = TopicPartition(rig.topic, 0, before)
    admin.delete_records([place])[place].result(30)


def high(rig: SequencerRig) -> int:
    with closing(PartitionReader({"bootstrap.servers": rig.broker.bootstrap}, PartitionRef(rig.topic))) as log:
        return log.ends()[1]


@pytest.mark.parametrize("mode", MODES)
def test_compacted_topic_is_refused_before_anything_is_sent(rig: SequencerRig, mode: str) -> None:
    rig.write_source(10)
    set_option(rig, "cleanup.policy", "compact")
    ended = rig.run("--mode", mode)
    assert ended.code == 78, str(ended)
    assert "cleanup.policy=compact" in ended.err
    assert high(rig) == 0


def test_compacted_dead_letter_topic_is_refused(rig: SequencerRig) -> None:
    rig.write_source(10, bad=[5])
    letters = rig.new_topic()
    set_option(rig, "cleanup.policy", "compact", topic=letters)
    ended = rig.run("--on-bad-row", "dead-letter", "--dead-letter-topic", letters)
    assert ended.code == 78, str(ended)
    assert letters in ended.err


@pytest.mark.parametrize("mode", MODES)
def test_topic_that_becomes_compacted_while_the_job_runs_is_a_wrong_setting(
    rig: SequencerRig, held: HeldSource, mode: str
) -> None:
    """Kafka refuses the records one by one; whichever of them the answer names, it is no outage."""
    held.write(600_000)
    rig.environment |= {"RETRIES": "1000"}
    with rig.start("--mode", mode, "--checkpoint-interval", "1000") as process:
        wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01, explain=process.said)
        set_option(rig, "cleanup.policy", "compact")
        wait_until(lambda: option(rig, "cleanup.policy") == "compact", what="the broker knows", deadline_s=60)
        held.release()
        ended = rig.end_of(process)
    assert ended.code == 78, str(ended)


@pytest.mark.parametrize("mode", MODES)
def test_topic_with_a_small_batch_limit_gets_small_batches(rig: SequencerRig, mode: str) -> None:
    rig.write_source(20_000)
    set_option(rig, "max.message.bytes", "20000")
    ended = rig.run("--mode", mode, "--compression", "none")
    assert ended.code == 0, str(ended)
    rig.assert_proven(20_000)


def test_row_above_the_topics_limit_names_the_option(rig: SequencerRig) -> None:
    Path(rig.source).write_text("a\n" + "x" * 50_000 + "\n", encoding="utf-8")
    set_option(rig, "max.message.bytes", "20000")
    ended = rig.run("--compression", "none")
    assert ended.code == 78, str(ended)
    assert "max.message.bytes" in ended.err


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_are_removed_while_the_job_runs_are_an_error_and_stay_one(
    rig: SequencerRig, held: HeldSource, mode: str
) -> None:
    held.write(200_000)
    options = ("--checkpoint-interval", "1000", "--mode", mode)
    with rig.start(*options) as process:
        wait_until(lambda: high(rig) > 1000, what="rows come", deadline_s=60, poll_s=0.01, explain=process.said)
        delete_records(rig, 500)
        held.release()
        ended = rig.end_of(process)
    for _ in range(2):
        assert ended.code == 74, str(ended)
        assert "begins at offset 500" in ended.err
        noted = rig.checkpoint()
        assert noted is not None
        assert noted.status is JobStatus.FAILED
        ended = rig.run(*options)


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_are_removed_between_two_starts_are_an_error(rig: SequencerRig, mode: str) -> None:
    rig.write_source(1000)
    assert rig.run("--mode", mode, "--limit", "500").code == 0
    delete_records(rig, 1)
    ended = rig.run("--mode", mode)
    assert ended.code == 74, str(ended)


def test_removed_records_of_others_before_the_jobs_are_not_an_error(rig: SequencerRig) -> None:
    """Those of another job that has sent before; this one starts after them."""
    rig.write_source(1000)
    assert rig.run().code == 0
    rig.job_id = "another"
    for limit in ("10", "20"):
        ended = rig.run("--append", "--limit", limit)
        assert ended.code == 0, str(ended)
        delete_records(rig, 1000)


def test_fence_is_set_unless_it_is_not_wanted(rig: SequencerRig) -> None:
    rig.write_source(10, bad=[5])
    letters = rig.new_topic()
    options = ("--on-bad-row", "dead-letter", "--dead-letter-topic", letters)
    ended = rig.run("--no-fence", *options)
    assert ended.code == 0, str(ended)
    assert "accepts records of any age" in ended.err
    assert "FENCE=false" in ended.err
    assert option(rig, OPTION) == option(rig, OPTION, topic=letters) == str(2**63 - 1)
    assert rig.run(*options).code == 0
    assert option(rig, OPTION) == option(rig, OPTION, topic=letters) == "9000"


def test_topic_with_log_append_time_logs_a_warning_and_stays_unchanged(rig: SequencerRig) -> None:
    rig.write_source(10)
    set_option(rig, "message.timestamp.type", "LogAppendTime")
    ended = rig.run()
    assert ended.code == 0, str(ended)
    assert "message.timestamp.type is LogAppendTime" in ended.err
    assert option(rig, "message.timestamp.type") == "LogAppendTime"
    rig.assert_proven(10)


def test_topic_that_is_not_durable_is_warned_of_or_refused(rig: SequencerRig) -> None:
    rig.write_source(10)
    rig.environment = {"REQUIRE_DURABLE_TOPIC": "true"}
    refused = rig.run()
    assert refused.code == 78, str(refused)
    assert "it has one replica" in refused.err
    rig.environment = {}
    ended = rig.run()
    assert ended.code == 0, str(ended)
    assert "is not durable" in ended.err
