"""An attempt with a fake partition: records are queued only while the lease is safe, whatever was waited for before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sequencer.checkpoint.lease import Lease
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, DataLostError, LeaseLostError
from sequencer.job.attempt import Attempt, JobParts
from sequencer.job.input import open_input
from sequencer.job.resume import ResumePoint
from sequencer.kafka.partition_reader import parse
from sequencer.kafka.sender import BATCH_BYTES, Acknowledged
from sequencer.model.checkpoint import FOUND_RECORDS, Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.model.records import Records
from sequencer.model.schema import Schema
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest
from sequencer.source.local import LocalFile

ROWS = 5000


class FakeLease:
    """A lease that is safe when the test says so; it becomes safe again when it is waited for."""

    def __init__(self) -> None:
        self.safe = True

    def check(self) -> None:
        """Nobody takes it."""

    def is_safe(self) -> bool:
        return self.safe


class FakePartition:
    """A target and its sender at once: it keeps what is queued, and whether the lease was safe then."""

    needs_lease = True
    retries = 0
    stopped_meanwhile = False
    closed = False
    removed = False
    """Whether retention removes rows while the job runs."""

    def __init__(self, lease: FakeLease) -> None:
        self.lease = lease
        self.values: list[bytes] = []
        self.freeze: Callable[[], None] = lambda: None
        self.queued_safely: list[bool] = []
        self.batch_bytes: list[int] = []
        self._tell: Callable[[Acknowledged], None] = lambda _: None
        self._sent = 0

    @property
    def lines(self) -> list[int]:
        """The row of each."""
        return [json.loads(value)["_source_line"] for value in self.values]

    def begin(
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
        self.lease.safe = False  # it ran out while room was waited for

    def poll(self, timeout_s: float) -> None:
        self.lease.safe = True

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        self.freeze()
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
    """A store that is away when the test says so."""

    away = False

    def load(self, job_id: str) -> Checkpoint | None:
        self._look()
        return super().load(job_id)

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        self._look()
        super().save(checkpoint, owner=owner)

    def _look(self) -> None:
        if self.away:
            raise CheckpointsUnavailableError("away")


@pytest.fixture
def checkpoints(tmp_path: Path) -> AwayCheckpoints:
    store = AwayCheckpoints(str(tmp_path / "c.sqlite3"))
    store.acquire_lease("job", owner="me", now=0, lease_s=1e9, is_dead=lambda _: False)
    return store


@pytest.fixture
def parts(tmp_path: Path, checkpoints: AwayCheckpoints) -> JobParts:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{row}\n" for row in range(1, ROWS + 1)), encoding="utf-8")
    return parts_of(path, checkpoints)


def parts_of(path: Path, checkpoints: AwayCheckpoints, **given: Any) -> JobParts:
    settings = JobSettings(source=str(path), kafka_topic="t", job_id="job", **given)
    return JobParts(
        settings=settings,
        job_id="job",
        partition=0,
        source=open_input([LocalFile(str(path))], settings=settings, schema=Schema()),
        target=cast("Any", FakePartition(FakeLease())),
        checkpoints=checkpoints,
        owner="me",
        client={},
        progress=Progress(),
    )


def attempt(parts: JobParts, *, remembered: Checkpoint | None = None, stop: StopRequest | None = None) -> Attempt:
    lease = cast("Lease", cast("FakePartition", parts.target).lease)
    return Attempt(parts, lease=lease, stop=stop or StopRequest(), remembered=remembered)


def test_nothing_is_queued_that_has_waited_for_room_until_the_lease_was_not_safe(parts: JobParts) -> None:
    final = attempt(parts).run()
    partition = cast("FakePartition", parts.target)
    assert (final.status, final.total_sent) == (JobStatus.DONE, ROWS)
    assert partition.lines == list(range(1, ROWS + 1))
    assert len(partition.queued_safely) > 1
    assert all(partition.queued_safely)


@pytest.mark.parametrize(("frozen_s", "goes_on"), [(85, True), (95, False)])
def test_what_is_queued_by_a_process_that_wakes_up_beyond_its_lease_is_thrown_away(
    parts: JobParts, monkeypatch: pytest.MonkeyPatch, frozen_s: float, goes_on: bool
) -> None:
    """It was frozen between its look at the lease and the queue; the records have the time of the awakening."""
    partition = cast("FakePartition", parts.target)
    now, asleep_s = time.time, [0.0]
    monkeypatch.setattr("sequencer.checkpoint.lease_guard.time.time", lambda: now() + asleep_s[0])

    def freeze() -> None:
        asleep_s[0] += frozen_s

    partition.freeze = freeze
    if goes_on:
        assert attempt(parts).run().total_sent == ROWS
        return
    with pytest.raises(LeaseLostError, match="stood still for 95 s"):
        attempt(parts).run()
    assert partition.closed
    assert len(partition.queued_safely) == 1


def test_sparse_wide_rows_are_cut_into_batches_that_the_clients_queue_takes(
    tmp_path: Path, checkpoints: AwayCheckpoints
) -> None:
    """500 names of 80 characters and no values: 1 byte a field in the file, 86 in the record."""
    path = tmp_path / "wide.csv"
    header = ",".join(f"Q{column:03d} {'x' * 75}" for column in range(500))
    path.write_text(header + "\n" + (499 * "," + "\n") * 300, encoding="utf-8")
    parts = parts_of(path, checkpoints)
    assert attempt(parts).run().total_sent == 300
    partition = cast("FakePartition", parts.target)
    assert partition.lines == list(range(1, 301))
    assert max(partition.batch_bytes) <= BATCH_BYTES < sum(partition.batch_bytes)


def test_rows_that_were_removed_while_the_job_ran_are_an_error(parts: JobParts, checkpoints: AwayCheckpoints) -> None:
    cast("FakePartition", parts.target).removed = True
    with pytest.raises(DataLostError):
        attempt(parts).run()
    noted = checkpoints.load("job")
    assert noted is not None
    assert (noted.status, noted.error.partition(":")[0]) == (JobStatus.FAILED, "data_lost")


def test_limit_below_what_was_sent_leaves_nothing_to_do(parts: JobParts) -> None:
    """Nothing is read then, and so nothing can differ from what the log holds."""
    for limit, lines in [(100, 100), (50, 100), (100, 100), (120, 120)]:
        limited = replace(parts, source=replace(parts.source, upto=limit))
        final = attempt(limited).run()
        assert (final.status, final.total_sent, final.last_line) == (JobStatus.DONE, lines, lines)
    assert cast("FakePartition", parts.target).lines == list(range(1, 121))


def test_rows_that_no_checkpoint_knows_of_are_gone_on_behind_with_a_warning(
    parts: JobParts, checkpoints: AwayCheckpoints, caplog: pytest.LogCaptureFixture
) -> None:
    """Another job has sent the same source, or the checkpoint is lost: that cannot be told apart."""
    first = attempt(replace(parts, source=replace(parts.source, upto=100))).run()
    assert FOUND_RECORDS not in first.extra
    assert "already held" not in caplog.text
    checkpoints.acquire_lease("another", owner="me", now=0, lease_s=1e9, is_dead=lambda _: False)
    another = replace(parts, job_id="another")
    for _ in range(2):
        final = attempt(another).run()
        assert (final.status, final.total_sent, final.extra[FOUND_RECORDS]) == (JobStatus.DONE, ROWS, 100)
    assert caplog.text.count("already held 100 rows of this source that no checkpoint of this job knows of") == 1
    assert cast("FakePartition", parts.target).lines == list(range(1, ROWS + 1))


@pytest.mark.parametrize("begun", [False, True], ids=["before", "while the partition is looked at"])
@pytest.mark.parametrize("known", [False, True], ids=["first start", "later start"])
def test_job_that_is_stopped_before_it_sends_leaves_its_checkpoint_as_it_is(
    parts: JobParts, checkpoints: AwayCheckpoints, begun: bool, known: bool
) -> None:
    """A checkpoint that says "stopped" would be taken for that of a job that was drained."""
    if known:
        attempt(replace(parts, source=replace(parts.source, upto=100))).run()
    before, stop = checkpoints.load("job"), StopRequest()
    if begun:
        cast("FakePartition", parts.target).stopped_meanwhile = True
    else:
        stop.request("SIGTERM")
    final = attempt(parts, stop=stop).run()
    assert (final.status, final.total_sent) == (JobStatus.STOPPED, 100 if known else 0)
    assert checkpoints.load("job") == before


def test_first_attempt_needs_the_store(parts: JobParts, checkpoints: AwayCheckpoints) -> None:
    checkpoints.away = True
    with pytest.raises(CheckpointsUnavailableError):
        attempt(parts).run()


def test_later_attempt_goes_on_by_what_the_process_remembers(
    parts: JobParts, checkpoints: AwayCheckpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sequencer.job.attempt._LAST_CHECKPOINT_S", 0.0)
    first = attempt(parts)
    first.run()
    remembered = first.checkpoint
    assert remembered is not None
    assert remembered.total_sent == ROWS
    checkpoints.away = True
    again = attempt(parts, remembered=remembered)
    assert again.run().total_sent == ROWS
    assert cast("FakePartition", parts.target).lines == list(range(1, ROWS + 1)), "nothing was sent again"


def test_age_of_the_checkpoint_is_known_before_the_first_acknowledgement(parts: JobParts) -> None:
    known: list[float] = []
    partition = cast("FakePartition", parts.target)
    partition.freeze = lambda: known.append(parts.progress.checkpoint_at)
    begun = time.time()
    attempt(parts).run()
    assert known[0] >= begun
