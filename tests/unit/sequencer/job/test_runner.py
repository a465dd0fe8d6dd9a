"""Which jobs the settings start, and which are rejected because rows would be sent a second time."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.backoff import Backoff
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, JobUsageError
from sequencer.input.opening import open_job_input
from sequencer.job.attempt import JobParts
from sequencer.job.runner import run_sequence
from sequencer.model.checkpoint import Checkpoint
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest


class FakeJobs:
    """Records the jobs that are started, and their partitions, and sends nothing."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []

    def run(self, parts: JobParts, _stop: StopRequest) -> Checkpoint:
        self.started.append((parts.job_id, parts.partition.partition))
        return checkpoint(parts.job_id)


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def store(tmp_path: Path) -> SqliteCheckpoints:
    return SqliteCheckpoints(str(tmp_path / "c.sqlite3"))


def checkpoint(job_id: str) -> Checkpoint:
    return Checkpoint(job_id=job_id, timestamp=datetime.now(UTC), topic="t", partition=0, first_offset=0)


def save(store: SqliteCheckpoints, job_id: str) -> None:
    store.acquire_lease(job_id, owner="a", now=0, lease_s=1, is_dead=lambda _: False)
    store.save(checkpoint(job_id), owner="a")


def run(
    tmp_path: Path, jobs: FakeJobs, *, rows: int = 100, partitions: int = 1, stop: StopRequest | None = None
) -> list[str]:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{row}\n" for row in range(rows)), encoding="ascii")
    settings = JobSettings(
        source=str(path),
        kafka_bootstrap_servers="nobody:9092",
        kafka_topic="t",
        job_id="job",
        checkpoint_file=str(tmp_path / "c.sqlite3"),
        partitions=partitions,
        _env_file=None,
    )
    finals = run_sequence(
        settings,
        open_job_input(settings),
        stop=stop or StopRequest(),
        run_job=jobs.run,
        backoff=Backoff(0.001, 0.001),
    )
    return [each.job_id for each in finals]


@pytest.mark.parametrize(
    ("earlier", "partitions", "text"),
    [
        ("job.p0", 1, r"job job was started with --partitions \(.*job\.p0\)"),
        ("job", 2, r"job job was started without --partitions \(.*job\)"),
    ],
)
def test_job_started_in_the_other_form_is_rejected(
    tmp_path: Path, jobs: FakeJobs, store: SqliteCheckpoints, earlier: str, partitions: int, text: str
) -> None:
    save(store, earlier)
    with pytest.raises(JobUsageError, match=f"PARTITIONS: {text}"):
        run(tmp_path, jobs, partitions=partitions)
    assert jobs.started == []


def test_job_resumes_in_its_own_form_despite_a_job_with_the_name_of_the_other(
    tmp_path: Path, jobs: FakeJobs, store: SqliteCheckpoints
) -> None:
    save(store, "job")
    save(store, "job.p0")
    assert run(tmp_path, jobs) == ["job"]
    assert run(tmp_path, jobs, partitions=2) == ["job.p0", "job.p1"]
    assert jobs.started == [("job", 0), ("job.p0", 0), ("job.p1", 1)]


@pytest.mark.parametrize(("rows", "count"), [(0, 1), (1, 2), (2, 2), (100, 4)])
def test_source_with_too_few_rows_has_fewer_ranges_under_their_own_names(
    tmp_path: Path, jobs: FakeJobs, caplog: pytest.LogCaptureFixture, rows: int, count: int
) -> None:
    with caplog.at_level(logging.WARNING, "sequencer.job.runner"):
        run(tmp_path, jobs, rows=rows, partitions=4)
    assert sorted(jobs.started) == [(f"job.p{number}", number) for number in range(count)]
    found = [vars(record)["ranges"] for record in caplog.records]
    assert found == ([count] if count < 4 else [])


def test_unavailable_store_is_retried(tmp_path: Path, jobs: FakeJobs) -> None:
    failures = [CheckpointsUnavailableError("away")] * 2
    load = SqliteCheckpoints.load

    def load_later(store: SqliteCheckpoints, job_id: str) -> Checkpoint | None:
        if failures:
            raise failures.pop()
        return load(store, job_id)

    with patch.object(SqliteCheckpoints, "load", load_later):
        run(tmp_path, jobs)
    assert jobs.started == [("job", 0)]


def test_stop_request_ends_the_wait_for_an_unavailable_store(tmp_path: Path, jobs: FakeJobs) -> None:
    stop = StopRequest()
    stop.request("SIGTERM")
    away = patch.object(SqliteCheckpoints, "load", side_effect=CheckpointsUnavailableError("away"))
    with away as loaded, pytest.raises(CheckpointsUnavailableError):
        run(tmp_path, jobs, stop=stop)
    assert (loaded.call_count, jobs.started) == (1, [])
