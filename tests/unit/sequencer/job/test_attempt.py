"""An attempt with a fake partition: records are queued only while the lease is safe, whatever was waited for before."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, DataLostError, LeaseLostError
from sequencer.input.job_input import JobInput, open_input
from sequencer.job.attempt import JobParts, run_attempt
from sequencer.job.progress_recorder import Memory
from sequencer.job.resume_point import ResumePoint
from sequencer.kafka.partition_reader import parse
from sequencer.kafka.sender import BATCH_BYTES, Acknowledged
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.model.records import Records
from sequencer.model.schema import Schema
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest
from sequencer.source.local_file import LocalFile

ROWS = 5000


class FakeLease:
    """A lease that is safe when the test says so; it becomes safe again while the sender is polled."""

    def __init__(self) -> None:
        self.safe = True

    def check(self) -> None:
        """It is never lost."""

    def is_safe(self) -> bool:
        return self.safe


class FakePartition:
    """A target and its sender in one: it keeps what is queued, and whether the lease was safe then."""

    needs_lease = True
    retries = 0
    stopped_meanwhile = False
    closed = False
    removed = False
    """Whether retention removes rows while the job runs."""

    def __init__(self, lease: FakeLease) -> None:
        self.lease = lease
        self.values: list[bytes] = []
        self.suspend: Callable[[], None] = lambda: None
        self.queued_safely: list[bool] = []
        self.batch_bytes: list[int] = []
        self._tell: Callable[[Acknowledged], None] = lambda _: None
        self._sent = 0

    @property
    def lines(self) -> list[int]:
        """The row of each."""
        return [json.loads(value)["_source_line"] for value in self.values]

    def resume(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: Callable[[Acknowledged], None],
        on_statistics: object,
    ) -> tuple[ResumePoint, FakePartition]:
        if self.stopped_meanwhile:
            stop.request("SIGTERM")
        stop.check()
        self._tell, self._sent = on_acknowledged, 0
        sent = len(self.values)
        last = parse(sent - 1, self.values[-1]) if self.values else None
        return ResumePoint(0, sent, sent, checkpoint.place if checkpoint else START, last), self

    def wait_for_capacity(self, records: Records) -> None:
        self.lease.safe = False  # it expired while waiting for capacity

    def poll(self, timeout_s: float) -> None:
        self.lease.safe = True

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        self.suspend()
        self.queued_safely.append(self.lease.is_safe())
        self.batch_bytes.append(records.size_bytes)
        self.values += records
        self._sent += len(records)
        self._tell(Acknowledged(self._sent, records.size_bytes, last_line, last_line - 1, place, 0))

    def drain(self, *, until: Callable[[], bool]) -> bool:
        return True

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        if self.removed:
            raise DataLostError("retention has removed the first rows")

    def close(self) -> None:
        self.closed = True


class AwayCheckpoints(SqliteCheckpoints):
    """A store that is unavailable when the test says so."""

    away = False

    def load(self, job_id: str) -> Checkpoint | None:
        self._check_available()
        return super().load(job_id)

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        self._check_available()
        super().save(checkpoint, owner=owner)

    def _check_available(self) -> None:
        if self.away:
            raise CheckpointsUnavailableError("away")


@pytest.fixture
def checkpoints(tmp_path: Path) -> AwayCheckpoints:
    store = AwayCheckpoints(str(tmp_path / "c.sqlite3"))
    store.acquire_lease("job", owner="me", now=0, lease_s=1e9, is_dead=lambda _: False)
    return store


class Case:
    """A job with a fake partition and a fake lease."""

    def __init__(self, path: Path, checkpoints: AwayCheckpoints, **given: Any) -> None:
        settings = JobSettings(source=str(path), kafka_topic="t", job_id="job", **given)
        self.lease = FakeLease()
        self.partition = FakePartition(self.lease)
        self.checkpoints = checkpoints
        self.parts = JobParts(
            settings=settings,
            job_id="job",
            partition=PartitionRef("t"),
            source=open_input([LocalFile(str(path))], settings=settings, schema=Schema()),
            target=self.partition,
            checkpoints=checkpoints,
            owner="me",
            client={},
            progress=Progress(),
        )

    def run(self, *, memory: Memory | None = None, stop: StopRequest | None = None, **changed: Any) -> Checkpoint:
        """Run one attempt, with these parts changed."""
        return run_attempt(
            replace(self.parts, **changed), lease=self.lease, stop=stop or StopRequest(), memory=memory or Memory()
        )

    def limited(self, upto: int) -> JobInput:
        """Return the input with a limit of rows."""
        return replace(self.parts.source, upto=upto)


@pytest.fixture
def case(tmp_path: Path, checkpoints: AwayCheckpoints) -> Case:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{row}\n" for row in range(1, ROWS + 1)), encoding="utf-8")
    return Case(path, checkpoints)


def test_batch_that_waited_for_capacity_is_queued_only_while_the_lease_is_safe(case: Case) -> None:
    final = case.run()
    partition = case.partition
    assert (final.status, final.total_sent) == (JobStatus.DONE, ROWS)
    assert partition.lines == list(range(1, ROWS + 1))
    assert len(partition.queued_safely) > 1
    assert all(partition.queued_safely)


@pytest.mark.parametrize(("suspended_s", "continues"), [(85, True), (95, False)])
def test_process_suspended_beyond_its_lease_discards_what_it_queued(
    case: Case, suspended_s: float, continues: bool
) -> None:
    """It was suspended between the check of the lease and the queue; the records have the time of the resumption."""
    partition, past_s = case.partition, [0.0]
    clock = Clock(wall=lambda: time.time() + past_s[0])

    def suspend() -> None:
        past_s[0] += suspended_s

    partition.suspend = suspend
    if continues:
        assert case.run(clock=clock).total_sent == ROWS
        return
    with pytest.raises(LeaseLostError, match="95 s"):
        case.run(clock=clock)
    assert partition.closed
    assert len(partition.queued_safely) == 1


def test_sparse_wide_rows_are_cut_into_batches_that_fit_the_clients_queue(
    tmp_path: Path, checkpoints: AwayCheckpoints
) -> None:
    """500 names of 80 characters and no values: 1 byte a field in the file, 86 in the record."""
    path = tmp_path / "wide.csv"
    header = ",".join(f"Q{column:03d} {'x' * 75}" for column in range(500))
    path.write_text(header + "\n" + (499 * "," + "\n") * 300, encoding="utf-8")
    case = Case(path, checkpoints)
    assert case.run().total_sent == 300
    assert case.partition.lines == list(range(1, 301))
    assert max(case.partition.batch_bytes) <= BATCH_BYTES < sum(case.partition.batch_bytes)


def test_rows_removed_while_the_job_runs_fail_it(case: Case) -> None:
    case.partition.removed = True
    with pytest.raises(DataLostError):
        case.run()
    saved = case.checkpoints.load("job")
    assert saved is not None
    assert (saved.status, saved.error.partition(":")[0]) == (JobStatus.FAILED, "data_lost")


def test_limit_below_what_was_sent_leaves_nothing_to_do(case: Case) -> None:
    """Nothing is read then, so nothing can differ from what the partition holds."""
    for limit, lines in [(100, 100), (50, 100), (100, 100), (120, 120)]:
        final = case.run(source=case.limited(limit))
        assert (final.status, final.total_sent, final.last_line) == (JobStatus.DONE, lines, lines)
    assert case.partition.lines == list(range(1, 121))


def test_rows_without_a_checkpoint_are_resumed_after_with_a_warning(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    """Another job has sent the same source, or the checkpoint is lost: that cannot be distinguished."""
    assert case.run(source=case.limited(100)).found_records == 0
    assert not warnings(caplog)
    case.checkpoints.acquire_lease("another", owner="me", now=0, lease_s=1e9, is_dead=lambda _: False)
    for _ in range(2):
        final = case.run(job_id="another")
        assert (final.status, final.total_sent, final.found_records) == (JobStatus.DONE, ROWS, 100)
    (warning,) = warnings(caplog)
    assert (vars(warning)["job_id"], vars(warning)["row"], vars(warning)["records"]) == ("another", 100, 100)
    assert case.partition.lines == list(range(1, ROWS + 1))


def test_log_says_whether_a_job_starts_or_resumes(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="sequencer.job.attempt")
    case.run(source=case.limited(100))
    case.run(source=case.limited(120))
    said = [record.getMessage() for record in caplog.records if record.getMessage() in {"Starting", "Resuming"}]
    assert said == ["Starting", "Resuming"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the warnings about a partition that holds rows of the source already."""
    return [
        record
        for record in caplog.records
        if record.name == "sequencer.job.attempt" and record.levelno == logging.WARNING
    ]


@pytest.mark.parametrize("opening", [False, True], ids=["before", "while the partition is read"])
@pytest.mark.parametrize("known", [False, True], ids=["first start", "later start"])
def test_job_stopped_before_it_sends_leaves_its_checkpoint_unchanged(case: Case, opening: bool, known: bool) -> None:
    """A checkpoint with the status "stopped" would be taken for that of a job that was drained."""
    if known:
        case.run(source=case.limited(100))
    before, stop = case.checkpoints.load("job"), StopRequest()
    if opening:
        case.partition.stopped_meanwhile = True
    else:
        stop.request("SIGTERM")
    final = case.run(stop=stop)
    assert (final.status, final.total_sent) == (JobStatus.STOPPED, 100 if known else 0)
    assert case.checkpoints.load("job") == before


def test_first_attempt_needs_the_store(case: Case) -> None:
    case.checkpoints.away = True
    with pytest.raises(CheckpointsUnavailableError):
        case.run()


def test_later_attempt_resumes_from_memory_if_the_store_is_unavailable(case: Case) -> None:
    memory = Memory()
    case.run(memory=memory)
    assert memory.checkpoint is not None
    assert memory.checkpoint.total_sent == ROWS
    case.checkpoints.away = True
    assert case.run(memory=memory, last_checkpoint_s=0.0).total_sent == ROWS
    assert case.partition.lines == list(range(1, ROWS + 1)), "nothing was sent again"


def test_age_of_the_checkpoint_is_known_before_the_first_acknowledgement(case: Case) -> None:
    known: list[float] = []
    case.partition.suspend = lambda: known.append(case.parts.progress.checkpoint_at)
    started = time.time()
    case.run()
    assert known[0] >= started
