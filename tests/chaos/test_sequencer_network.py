"""The network between a job and its services fails, by resets and in silence: every row once, in order.

``CSVPIPE_CHAOS_KILLS`` is the number of cuts, over both modes (make chaos: 50).
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.partition import PartitionRef
from tests.support.kafka.distant import DistantKafka, distant_kafka
from tests.support.network.line import Cut, Line, network_line
from tests.support.sequencer.chaos import KILLS
from tests.support.sequencer.held_source import HeldSource, held_source
from tests.support.sequencer.moto_dynamodb import CREDENTIALS, TABLE, MotoDynamoDb, moto_dynamodb
from tests.support.sequencer.persistent_job import PersistentJob
from tests.support.sequencer.rig import Ended, RunningCommand, SequencerRig
from tests.support.waiting import wait_until

CUTS = max(2, KILLS // 2)
ROWS_FOR_EACH_OUTAGE = 180_000
"""More than a job gets when it is given one more."""
ROWS_FOR_A_LEASE = 200_000
ROWS_FOR_EACH_CUT = 50_000
SLOW_BYTES_PER_S = 1536 * 1024
FAST_BYTES_PER_S = 4 * 1024 * 1024
MODES = ("exclusive", "transactional")
TRY_AGAIN = 75
QUIET_S = 1.0
OFTEN = ("--compression", "none", "--checkpoint-interval", "2000")
IMPATIENT = {"DELIVERY_TIMEOUT_S": "2", "KAFKA_OPTIONS": json.dumps({"reconnect.backoff.max.ms": "300"})}
"""A cut may be shorter than the time of a record, or longer."""
OUTAGES = max(1, CUTS // 2)


@pytest.fixture(scope="module")
def distant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DistantKafka]:
    with distant_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(distant: DistantKafka) -> Iterator[DistantKafka]:
    """Give a broker at the end of a line that is whole."""
    yield distant
    distant.line.mend()
    distant.line.slow_down(0)


@pytest.fixture(scope="module")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoDynamoDb]:
    with moto_dynamodb(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.mark.timeout(300 + 60 * CUTS)
@pytest.mark.parametrize("mode", MODES)
def test_flapping_network_to_kafka_loses_no_row(
    kafka: DistantKafka, tmp_path: Path, dice: random.Random, mode: str
) -> None:
    rig = SequencerRig(kafka, tmp_path, environment=dict(IMPATIENT))
    rows = ROWS_FOR_EACH_CUT * CUTS
    rig.write_source(rows)
    cuts = [(how, dice.choice(("short", "long"))) for how in itertools.islice(itertools.cycle(Cut), CUTS)]
    dice.shuffle(cuts)
    # A row is twice as long as JSON as in the source: no cut comes too late.
    between_bytes = Path(rig.source).stat().st_size // CUTS
    kafka.line.slow_down(FAST_BYTES_PER_S)
    job = PersistentJob(rig, dice, "--bootstrap-servers", kafka.line.address, "--mode", mode, *OFTEN)
    try:
        for how, length in cuts:
            job.wait_until_it_sends()
            kafka.line.cut_after(dice.randrange(between_bytes), how)
            wait_until(lambda: kafka.line.is_cut, what=f"{how} comes", deadline_s=120, poll_s=0.01, explain=job.said)
            job.listen()
            sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S.%f} {length} {how}\n")
            answer = job.has_noticed if length == "short" else job.has_given_up
            wait_until(answer, what=f"{length} {how} is noticed", deadline_s=120, poll_s=0.01, explain=job.said)
            kafka.line.mend()
        kafka.line.slow_down(0)
        job.finish()
    finally:
        job.kill()
    rig.assert_proven(rows)


@dataclass
class CheckpointedJob:
    """A job with its checkpoints in DynamoDB, which it reaches by ``line``, and a slow line to Kafka.

    It gets the beginning of its source until it is given more.
    """

    rig: SequencerRig
    held: HeldSource
    kafka: DistantKafka
    dynamodb: MotoDynamoDb
    line: Line
    mode: str
    rows: int = 0

    def write_source(self, rows: int) -> None:
        """Write a source of so many rows."""
        self.rows = rows
        self.held.write(rows)

    def start(self) -> RunningCommand:
        """Start it; its rows arrive slowly."""
        self.kafka.line.slow_down(SLOW_BYTES_PER_S)
        return self.rig.start(*self._options(bootstrap=self.kafka.line.address))

    def run(self) -> Ended:
        """Run it to its end, as fast as it goes."""
        return self.rig.run(*self._options(bootstrap=self.kafka.bootstrap))

    def end_of(self, process: RunningCommand) -> Ended:
        """Wait for its end, as fast as it goes."""
        self.held.release()
        self.kafka.line.slow_down(0)
        return self.rig.end_of(process)

    def reach_dynamodb_at(self, address: str) -> None:
        """Let whatever is started from now on reach DynamoDB there."""
        self.rig.environment["DYNAMODB_ENDPOINT"] = f"http://{address}"

    def wait_until_noted(self, process: RunningCommand, *, beyond: int = 0) -> Checkpoint:
        """Wait for a checkpoint with more than ``beyond`` records; DynamoDB is asked past the line."""

        def found() -> Checkpoint | None:
            noted = self.rig.checkpoint()
            return noted if noted and noted.total_sent > beyond else None

        return wait_until(found, what="a checkpoint", deadline_s=120, poll_s=0.05, explain=process.said)

    def wait_until_said(self, process: RunningCommand, text: str, *, since: str = "") -> None:
        """Wait until it has logged ``text``, after what it had said before."""

        def said() -> bool:
            return text in process.said().removeprefix(since)

        wait_until(said, what=text, deadline_s=120, poll_s=0.05, explain=process.said)

    def wait_until_arrived(self, process: RunningCommand, *, end: int) -> None:
        """Wait until the partition ends later."""
        with closing(self._log()) as log:
            wait_until(lambda: log.ends()[1] > end, what="rows", deadline_s=120, poll_s=0.05, explain=process.said)

    def wait_until_lease_is_over(self) -> None:
        """Wait until another process may take it."""
        until = self.dynamodb.lease_until(self.rig.job_id)
        wait_until(lambda: time.time() > until, what="the lease runs out", deadline_s=120, poll_s=0.05)

    def cut_off_until_its_lease_is_over(self, process: RunningCommand) -> None:
        """Cut the line to DynamoDB, and wait until a process has seen that and its lease has run out."""
        self.line.cut(Cut.RESET)
        self.held.release()  # only its lease keeps it from sending
        self.wait_until_said(process, "Cannot renew the lease")
        self.wait_until_lease_is_over()

    def arrived(self) -> int:
        """Return where the partition ends."""
        with closing(self._log()) as log:
            return log.ends()[1]

    def arrived_at_rest(self) -> int:
        """Return where the partition ends, once nothing more comes."""
        with closing(self._log()) as log:
            return log.wait_until_idle(QUIET_S)[1]

    def assert_done(self, ended: Ended) -> None:
        """Check that it is done, and that checkpoint and topic say so."""
        assert ended.code == 0, str(ended)
        noted = self.rig.checkpoint()
        assert noted is not None
        assert (noted.status, noted.total_sent, noted.last_line) == (JobStatus.DONE, self.rows, self.rows)
        self.rig.assert_proven(self.rows)

    def _options(self, *, bootstrap: str) -> tuple[str, ...]:
        return ("--bootstrap-servers", bootstrap, "--mode", self.mode, *OFTEN)

    def _log(self) -> PartitionReader:
        return PartitionReader({"bootstrap.servers": self.kafka.bootstrap}, PartitionRef(self.rig.topic))


@pytest.fixture
def job(kafka: DistantKafka, dynamodb: MotoDynamoDb, tmp_path: Path, mode: str) -> Iterator[CheckpointedJob]:
    """Give a job with a lease of seconds."""
    short = {"CHECKPOINT_INTERVAL_S": "0.2", "LEASE_S": "7", "DELIVERY_TIMEOUT_S": "3"}
    environment = {**CREDENTIALS, "CHECKPOINT_TABLE": TABLE, **short}
    rig = SequencerRig(kafka, tmp_path, environment=environment, checkpoints=dynamodb.checkpoints)
    rig.job_id = rig.topic  # the table is that of all tests
    with network_line(dynamodb.host, dynamodb.port) as line, held_source(rig) as held:
        job = CheckpointedJob(rig, held, kafka, dynamodb, line, mode)
        job.reach_dynamodb_at(line.address)
        yield job


@pytest.mark.timeout(300 + 60 * CUTS)
@pytest.mark.parametrize("mode", ["exclusive"])
def test_rows_keep_arriving_while_dynamodb_is_down_and_checkpoints_resume_after_it(
    job: CheckpointedJob, dice: random.Random
) -> None:
    job.rig.environment |= {"LEASE_S": "120", "DELIVERY_TIMEOUT_S": "20"}
    job.write_source(ROWS_FOR_EACH_OUTAGE * (OUTAGES + 1))
    with job.start() as process:
        job.wait_until_noted(process)
        for _ in range(OUTAGES):
            heard = process.said()
            job.line.cut(dice.choice(list(Cut)))
            arrived = job.arrived()
            job.held.give(arrived + 10_000)
            job.wait_until_said(process, "Cannot save the checkpoint", since=heard)
            job.wait_until_arrived(process, end=arrived + dice.randrange(10_000))
            stale = job.rig.checkpoint()
            assert stale is not None
            assert stale.total_sent <= arrived
            job.line.mend()
            job.wait_until_said(process, "Checkpoints are saved again", since=heard)  # the item alone can be sooner
            again = job.wait_until_noted(process, beyond=stale.total_sent)
            assert again.status is JobStatus.RUNNING
        ended = job.end_of(process)
    job.assert_done(ended)


@pytest.mark.parametrize("mode", ["exclusive"])
def test_dynamodb_down_for_longer_than_the_lease_pauses_the_job_until_it_is_back(job: CheckpointedJob) -> None:
    job.write_source(ROWS_FOR_A_LEASE)
    with job.start() as process:
        job.wait_until_noted(process)
        job.cut_off_until_its_lease_is_over(process)
        paused_at = job.arrived()
        assert job.arrived_at_rest() == paused_at < job.rows
        assert process.poll() is None
        job.line.mend()
        job.wait_until_said(process, "Lease is renewed again")
        ended = job.end_of(process)
    job.assert_done(ended)


@pytest.mark.parametrize("mode", ["exclusive"])
def test_job_cut_off_from_dynamodb_leaves_the_rest_to_the_next_holder_of_its_lease(job: CheckpointedJob) -> None:
    job.write_source(ROWS_FOR_A_LEASE)
    with job.start() as stale:
        job.wait_until_noted(stale)
        job.cut_off_until_its_lease_is_over(stale)
        job.reach_dynamodb_at(f"{job.dynamodb.host}:{job.dynamodb.port}")
        ended = job.run()
        job.line.mend()
        end_of_stale = job.end_of(stale)
    assert end_of_stale.code == TRY_AGAIN, str(end_of_stale)
    assert "lease" in end_of_stale.err
    job.assert_done(ended)


@pytest.mark.timeout(300 + 60 * CUTS)
@pytest.mark.parametrize("mode", ["exclusive"])
def test_job_killed_while_dynamodb_is_down_resumes_once_it_is_back(job: CheckpointedJob, dice: random.Random) -> None:
    job.rig.environment |= {"LEASE_S": "40", "DELIVERY_TIMEOUT_S": "10"}  # it sends for 25 s without DynamoDB
    job.write_source(ROWS_FOR_EACH_OUTAGE * (OUTAGES + 1))
    sent = 0
    for _ in range(OUTAGES):
        with job.start() as process:
            job.wait_until_noted(process, beyond=sent)
            job.line.cut(Cut.RESET)
            arrived = job.arrived()
            job.held.give(arrived + 20_000)
            job.wait_until_arrived(process, end=arrived + dice.randrange(20_000))
            process.kill()
        noted = job.rig.checkpoint()
        assert noted is not None
        sent = noted.total_sent
        ended = job.run()
        assert ended.code == TRY_AGAIN, str(ended)
        job.line.mend()
    job.held.release()
    job.assert_done(job.run())
