"""A job on a real broker: what it sends is verified from the topic, and what would break the order is refused."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.checkpoint import JobStatus
from sequencer.model.partition import PartitionRef
from tests.support.sequencer.held_source import HeldSource, held_source
from tests.support.sequencer.other_producer import another_producer_writing
from tests.support.sequencer.rig import SequencerRig
from tests.support.services import KafkaBroker, MinioServer
from tests.support.waiting import wait_until

ROWS = 60_000
MODES = ("exclusive", "transactional")


@pytest.fixture
def rig(kafka_broker: KafkaBroker, tmp_path: Path) -> SequencerRig:
    return SequencerRig(kafka_broker, tmp_path)


@pytest.fixture
def held(rig: SequencerRig) -> Iterator[HeldSource]:
    with held_source(rig) as held:
        yield held


@pytest.mark.parametrize(("mode", "compression"), [("exclusive", "gzip"), ("transactional", "zstd")])
def test_every_row_is_in_the_topic_once_and_in_order(rig: SequencerRig, mode: str, compression: str) -> None:
    rig.write_source(ROWS)
    ended = rig.run("--mode", mode, "--compression", compression)
    assert ended.code == 0, str(ended)
    rig.assert_proven(ROWS)
    noted = rig.checkpoint()
    assert noted is not None
    assert (noted.status, noted.total_sent, noted.last_line) == (JobStatus.DONE, ROWS, ROWS)


def test_sparse_wide_rows_are_sent_though_a_block_of_them_is_more_than_the_client_queues(rig: SequencerRig) -> None:
    """As many as a batch has are 86 MB of JSON; the queue takes 64."""
    header = ",".join(f"Q{column:03d} {'x' * 75}" for column in range(500))
    Path(rig.source).write_text(header + "\n" + (499 * "," + "\n") * 2000, encoding="utf-8")
    ended = rig.run("--compression", "lz4")
    assert ended.code == 0, str(ended)
    assert rig.verify("--count-only", "--expect-rows", "2000").code == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_every_line_on_stderr_is_a_line_of_the_log(rig: SequencerRig, form: str) -> None:
    """Kafka's client writes lines such as %6|...|BGQUEUE| where it has no logger: a collector of JSON refuses them."""
    rig.write_source(100)
    rig.environment |= {"LOG_FORMAT": form, "FENCE": "true", "LOG_LEVEL": "DEBUG"}
    rig.topic += "-made"
    ended = rig.run("--create-topic")
    assert ended.code == 0, str(ended)
    lines = ended.err.splitlines()
    assert lines
    if form == "json":
        assert all(json.loads(line)["level"] for line in lines)
    else:
        assert [line for line in lines if line.startswith("%")] == []


@pytest.mark.parametrize("mode", MODES)
def test_rows_above_a_megabyte_are_sent_where_topic_and_setting_take_them(rig: SequencerRig, mode: str) -> None:
    rig.set_topic("max.message.bytes", "10000000")
    long = "".join(f"{number:07d}" for number in range(600_000))
    Path(rig.source).write_text(f"id,text\n1,{long}\n2,x\n3,{long[:2_000_000]}\n", encoding="utf-8")
    refused = rig.run("--mode", mode, "--compression", "none")
    assert (refused.code, "row 1, byte 8: 4200" in refused.err, "MAX_RECORD_BYTES" in refused.err) == (65, True, True)
    rig.environment["MAX_RECORD_BYTES"] = "9000000"
    ended = rig.run("--mode", mode, "--compression", "none")
    assert ended.code == 0, str(ended)
    rig.assert_proven(3)


@pytest.mark.parametrize("mode", MODES)
def test_job_that_is_done_sends_nothing_again(rig: SequencerRig, mode: str) -> None:
    rig.write_source(100)
    for _ in range(2):
        assert rig.run("--mode", mode).code == 0
    rig.assert_proven(100)


def test_bad_rows_are_dead_letters_and_the_others_are_sent(rig: SequencerRig) -> None:
    bad = [2, 3, 500, ROWS - 1, ROWS]
    rig.write_source(ROWS, bad=bad)
    dead_letters = rig.new_topic()
    options = ("--on-bad-row", "dead-letter", "--dead-letter-topic", dead_letters)
    with rig.start(*options, "--checkpoint-interval", "1000") as process:
        wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01)
        process.kill()
    ended = rig.run(*options)
    assert ended.code == 0, str(ended)
    rig.assert_proven(ROWS, "--dead-letter-topic", dead_letters, "--job-id", rig.job_id)
    log = PartitionReader({"bootstrap.servers": rig.broker.bootstrap}, PartitionRef(dead_letters))
    letters = [json.loads(value) for value in log.values(*log.ends())]
    log.close()
    assert [letter["_source_line"] for letter in letters] == bad
    unexplained = rig.verify("--source", rig.source)
    assert unexplained.code == 1
    assert "offset 1, row 2: " in unexplained.out
    noted = rig.checkpoint()
    assert noted is not None
    assert (noted.total_sent, noted.dead_lettered) == (ROWS - len(bad), len(bad))


def test_bad_row_fails_a_job_with_on_bad_row_stop(rig: SequencerRig) -> None:
    rig.write_source(100, bad=[50])
    ended = rig.run()
    assert ended.code == 65
    assert "row 50, byte" in ended.err
    noted = rig.checkpoint()
    assert noted is not None
    assert noted.status is JobStatus.FAILED


def test_another_producer_in_the_partition_stops_the_job(rig: SequencerRig, held: HeldSource) -> None:
    held.write(150_000)
    with rig.start("--checkpoint-interval", "1000") as process:
        wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01)
        other = Producer({"bootstrap.servers": rig.broker.bootstrap})
        other.produce(rig.topic, b"from another producer", partition=0)
        assert other.flush(30) == 0
        held.release()
        ended = rig.end_of(process)
    assert ended.code == 76, str(ended)
    assert "another producer" in ended.err
    found = rig.verify()
    assert found.code == 1
    assert "not written by csvpipe" in found.out


def test_partition_of_others_is_rejected_without_append(rig: SequencerRig) -> None:
    other = Producer({"bootstrap.servers": rig.broker.bootstrap})
    other.produce(rig.topic, b"from another producer", partition=0)
    assert other.flush(30) == 0
    rig.write_source(100)
    assert rig.run().code == 76
    assert rig.run("--append").code == 0
    rig.assert_proven(100, "--from-offset", "1")


def test_shared_partition_holds_the_rows_of_both(rig: SequencerRig) -> None:
    rig.write_source(ROWS)
    with another_producer_writing(rig.broker, rig.topic):
        ended = rig.run("--mode", "transactional")
    assert ended.code == 0, str(ended)
    log = PartitionReader({"bootstrap.servers": rig.broker.bootstrap}, PartitionRef(rig.topic), committed=True)
    lines = [record.line for record in log.records(*log.ends()) if record.line is not None]
    log.close()
    assert lines == list(range(1, ROWS + 1))


def test_dead_letters_of_other_jobs_do_not_delay_a_start(rig: SequencerRig) -> None:
    rig.write_source(1000, bad=[7, 900])
    dead_letters = rig.new_topic()
    options = ("--on-bad-row", "dead-letter", "--dead-letter-topic", dead_letters)
    with another_producer_writing(rig.broker, dead_letters):
        for _ in range(2):
            ended = rig.run(*options)
            assert ended.code == 0, str(ended)
    rig.assert_proven(1000, "--dead-letter-topic", dead_letters, "--job-id", rig.job_id)


def test_option_that_the_client_does_not_know_is_a_wrong_setting(rig: SequencerRig) -> None:
    rig.write_source(10)
    rig.environment = {"KAFKA_OPTIONS": '{"no.such.option": "1"}'}
    ended = rig.run()
    assert ended.code == 78, str(ended)
    assert "no.such.option" in ended.err


def test_partition_without_records_is_not_verified(rig: SequencerRig) -> None:
    found = rig.verify()
    assert found.code == 1, str(found)
    assert "there are no records" in found.out
    assert rig.verify("--expect-rows", "0").code == 0


def test_missing_topic_is_reported_or_created(rig: SequencerRig) -> None:
    rig.write_source(10)
    rig.topic = f"made-on-demand-{uuid.uuid4().hex[:8]}"
    assert rig.run().code == 73
    options = ("--create-topic", "--on-bad-row", "dead-letter")
    for _ in range(2):
        ended = rig.run(*options)
        assert ended.code == 0, str(ended)
    rig.assert_proven(10, "--dead-letter-topic", f"{rig.topic}-dlq")


def test_unreachable_broker_is_retried_and_then_given_up(rig: SequencerRig) -> None:
    rig.write_source(10)
    rig.environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "RETRIES": "0"}
    assert rig.run().code == 75


def test_ranges_fill_partitions_each_in_order(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    rig = SequencerRig(kafka_broker, tmp_path, partitions=3)
    rig.write_source(ROWS)
    ended = rig.run("--partitions", "3")
    assert ended.code == 0, str(ended)
    first_line = 1
    for partition in range(3):
        log = PartitionReader({"bootstrap.servers": kafka_broker.bootstrap}, PartitionRef(rig.topic, partition))
        lines = [record.line for record in log.records(*log.ends())]
        log.close()
        assert len(lines) > ROWS // 4
        assert lines == list(range(first_line, first_line + len(lines)))
        where = ("--partition", str(partition), "--first-line", str(first_line))
        for what in ((), ("--source", rig.source, "--expect-rows", str(len(lines)))):
            verified = rig.verify(*where, *what)
            assert verified.code == 0, str(verified)
        first_line += len(lines)
    assert first_line == ROWS + 1


def test_job_of_ranges_is_not_sent_again_without_them(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    rig = SequencerRig(kafka_broker, tmp_path, partitions=2)
    rig.write_source(1000)
    ranges = ("--partitions", "2")
    assert rig.run(*ranges).code == 0
    refused = rig.run()
    assert (refused.code, "started with --partitions" in refused.err) == (2, True), str(refused)
    again = rig.run(*ranges)
    assert again.code == 0, str(again)
    log = PartitionReader({"bootstrap.servers": kafka_broker.bootstrap}, PartitionRef(rig.topic))
    lines = [record.line for record in log.records(*log.ends())]
    log.close()
    assert lines == list(range(1, len(lines) + 1))
    assert 400 < len(lines) < 600


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_objects_below_a_prefix_are_one_sequence(
    kafka_broker: KafkaBroker, minio: MinioServer, tmp_path: Path, packed: bool
) -> None:
    rig = SequencerRig(kafka_broker, tmp_path)
    rig.write_source(1000)
    header, body = Path(rig.source).read_bytes().split(b"\n", 1)
    parts = [header + b"\n" + body, header + b"\n" + body]
    prefix = f"{tmp_path.name}/"
    for number, part in enumerate(parts):
        content = gzip.compress(part) if packed else part
        minio.client().put_object(Bucket="raw", Key=f"{prefix}{number}.csv", Body=content)
    rig.source = f"s3://raw/{prefix}"
    rig.environment = {
        "AWS_ACCESS_KEY_ID": minio.access_key,
        "AWS_SECRET_ACCESS_KEY": minio.secret_key,
        "S3_ENDPOINT": minio.endpoint,
    }
    ended = rig.run()
    assert ended.code == 0, str(ended)
    rig.assert_proven(2000)


def test_dry_run_counts_and_sends_nothing(rig: SequencerRig) -> None:
    rig.write_source(1000)
    ended = rig.run("--dry-run")
    assert (ended.code, ended.out.startswith("1,000 records of ")) == (0, True), str(ended)
    assert rig.verify("--expect-rows", "0", "--count-only").code == 0
