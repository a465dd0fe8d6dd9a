"""What becomes of the settings: which jobs are begun, and which are not as they would send rows a second time."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, JobUsageError
from sequencer.job.attempt import JobParts
from sequencer.job.runner import open_job_input, run_sequence
from sequencer.model.checkpoint import Checkpoint
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Note the jobs that are begun, and their partitions, and send nothing."""
    jobs: list[tuple[str, int]] = []

    def run_job(parts: JobParts, _stop: StopRequest) -> Checkpoint:
        jobs.append((parts.job_id, parts.partition))
        return noted(parts.job_id)

    monkeypatch.setattr("sequencer.job.runner.run_job", run_job)
    return jobs


@pytest.fixture
def store(tmp_path: Path) -> SqliteCheckpoints:
    return SqliteCheckpoints(str(tmp_path / "c.sqlite3"))


def noted(job_id: str) -> Checkpoint:
    return Checkpoint(job_id=job_id, timestamp=datetime.now(UTC), topic="t", partition=0, first_offset=0)


def note(store: SqliteCheckpoints, job_id: str) -> None:
    store.acquire_lease(job_id, owner="a", now=0, lease_s=1, is_dead=lambda _: False)
    store.save(noted(job_id), owner="a")


def run(tmp_path: Path, *, rows: int = 100, partitions: int = 1, stop: StopRequest | None = None) -> list[str]:
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
    return [each.job_id for each in run_sequence(settings, open_job_input(settings), stop=stop or StopRequest())]


@pytest.mark.parametrize(
    ("earlier", "partitions", "text"),
    [
        ("job.p0", 1, r"job job began with --partitions \(.*job\.p0\), and is to go on without it"),
        ("job", 2, r"job job began without --partitions \(.*job\), and is to go on with it"),
    ],
)
def test_job_that_began_in_the_other_form_is_not_begun(
    tmp_path: Path, begun: list[tuple[str, int]], store: SqliteCheckpoints, earlier: str, partitions: int, text: str
) -> None:
    note(store, earlier)
    with pytest.raises(JobUsageError, match=f"PARTITIONS: the {text}.*another JOB_ID"):
        run(tmp_path, partitions=partitions)
    assert begun == []


def test_job_goes_on_in_its_own_form_whatever_has_the_name_of_the_other(
    tmp_path: Path, begun: list[tuple[str, int]], store: SqliteCheckpoints
) -> None:
    note(store, "job")
    note(store, "job.p0")
    assert run(tmp_path) == ["job"]
    assert run(tmp_path, partitions=2) == ["job.p0", "job.p1"]
    assert begun == [("job", 0), ("job.p0", 0), ("job.p1", 1)]


@pytest.mark.parametrize(("rows", "jobs"), [(0, 1), (1, 2), (2, 2), (100, 4)])
def test_source_with_too_few_rows_has_fewer_ranges_under_their_own_names(
    tmp_path: Path, begun: list[tuple[str, int]], caplog: pytest.LogCaptureFixture, rows: int, jobs: int
) -> None:
    with caplog.at_level(logging.WARNING, "sequencer.job.runner"):
        run(tmp_path, rows=rows, partitions=4)
    assert sorted(begun) == [(f"job.p{number}", number) for number in range(jobs)]
    assert (f"too few rows for 4 ranges: there are {jobs}" in caplog.text) == (jobs < 4)


def test_store_that_is_away_for_a_moment_is_asked_again(tmp_path: Path, begun: list[tuple[str, int]]) -> None:
    failures = [CheckpointsUnavailableError("away")] * 2
    load = SqliteCheckpoints.load

    def load_later(store: SqliteCheckpoints, job_id: str) -> Checkpoint | None:
        if failures:
            raise failures.pop()
        return load(store, job_id)

    with patch.object(SqliteCheckpoints, "load", load_later), patch("sequencer.job.job._FIRST_WAIT_S", 0.001):
        run(tmp_path)
    assert begun == [("job", 0)]


def test_store_that_is_away_does_not_hold_up_a_job_that_is_to_stop(
    tmp_path: Path, begun: list[tuple[str, int]]
) -> None:
    stop = StopRequest()
    stop.request("SIGTERM")
    away = patch.object(SqliteCheckpoints, "load", side_effect=CheckpointsUnavailableError("away"))
    with away as loaded, pytest.raises(CheckpointsUnavailableError):
        run(tmp_path, stop=stop)
    assert (loaded.call_count, begun) == (1, [])
