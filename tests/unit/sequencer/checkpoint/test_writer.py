"""The newest checkpoint is saved in time, whatever the store does, and sending never waits for it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.backoff import Backoff
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.errors import CheckpointsUnavailableError
from sequencer.model.checkpoint import Checkpoint, JobStatus
from tests.support.waiting import wait_until

CHECKPOINT = Checkpoint(
    job_id="job", timestamp=datetime(2026, 1, 31, tzinfo=UTC), topic="t", partition=0, first_offset=0
)


@pytest.fixture
def checkpoints(tmp_path: Path) -> SqliteCheckpoints:
    store = SqliteCheckpoints(str(tmp_path / "c.sqlite3"))
    store.acquire_lease("job", owner="a", now=0, lease_s=1e12, is_dead=lambda _: False)
    return store


def writer(store: SqliteCheckpoints, *, interval: int = 10, interval_s: float = 3600) -> CheckpointWriter:
    return CheckpointWriter(store, owner="a", interval=interval, interval_s=interval_s)


def saved_line(store: SqliteCheckpoints) -> int:
    found = store.load("job")
    return found.last_line if found else 0


def test_enough_records_make_a_checkpoint_due(checkpoints: SqliteCheckpoints) -> None:
    writing = writer(checkpoints)
    writing.start()
    writing.offer(replace(CHECKPOINT, last_line=9, total_sent=9))
    writing.offer(replace(CHECKPOINT, last_line=10, total_sent=10))
    wait_until(lambda: saved_line(checkpoints) == 10, what="it is saved", deadline_s=20)
    wait_until(lambda: writing.saved_at > 0, what="its time is recorded", deadline_s=20)
    writing.close(CHECKPOINT, deadline_s=60)


def test_time_makes_a_checkpoint_due(checkpoints: SqliteCheckpoints) -> None:
    writing = writer(checkpoints, interval=10**9, interval_s=0.05)
    writing.start()
    writing.offer(replace(CHECKPOINT, last_line=1, total_sent=1))
    wait_until(lambda: saved_line(checkpoints) == 1, what="it is saved", deadline_s=20)
    writing.close(CHECKPOINT, deadline_s=60)


def test_slow_store_delays_nothing_and_gets_the_newest_checkpoint(checkpoints: SqliteCheckpoints) -> None:
    started, resume = threading.Event(), threading.Event()
    save_now = checkpoints.save
    saved = []

    def save_late(checkpoint: Checkpoint, *, owner: str) -> None:
        started.set()
        resume.wait(60)
        saved.append(checkpoint.last_line)
        save_now(checkpoint, owner=owner)

    with patch.object(checkpoints, "save", save_late):
        writing = writer(checkpoints, interval=1)
        writing.start()
        writing.offer(replace(CHECKPOINT, last_line=1, total_sent=1))
        started.wait(60)
        for line in range(2, 1000):
            writing.offer(replace(CHECKPOINT, last_line=line, total_sent=line))
        resume.set()
        wait_until(lambda: saved_line(checkpoints) == 999, what="the newest is saved", deadline_s=20)
        writing.close(replace(CHECKPOINT, last_line=999), deadline_s=60)
    assert len(saved) < 10


def test_unavailable_store_is_retried(checkpoints: SqliteCheckpoints) -> None:
    failures = [CheckpointsUnavailableError("away")] * 2
    save_now = checkpoints.save

    def save(checkpoint: Checkpoint, *, owner: str) -> None:
        if failures:
            raise failures.pop()
        save_now(checkpoint, owner=owner)

    with patch.object(checkpoints, "save", save):
        writing = CheckpointWriter(checkpoints, owner="a", interval=10**9, interval_s=0.01, backoff=Backoff(0.01, 0.01))
        writing.start()
        writing.offer(replace(CHECKPOINT, last_line=5, total_sent=5))
        wait_until(lambda: saved_line(checkpoints) == 5, what="it is saved in the end", deadline_s=20)
        writing.close(CHECKPOINT, deadline_s=60)


def test_last_checkpoint_is_saved_at_the_end(checkpoints: SqliteCheckpoints) -> None:
    writing = writer(checkpoints)
    writing.start()
    assert writing.close(replace(CHECKPOINT, last_line=3, status=JobStatus.DONE), deadline_s=60)
    assert checkpoints.load("job") == replace(CHECKPOINT, last_line=3, status=JobStatus.DONE)


def test_end_is_not_delayed_beyond_its_deadline(checkpoints: SqliteCheckpoints) -> None:
    with patch.object(checkpoints, "save", side_effect=CheckpointsUnavailableError("away")):
        writing = writer(checkpoints)
        writing.start()
        assert not writing.close(CHECKPOINT, deadline_s=0.1)


def test_process_that_has_lost_the_lease_gives_up_immediately(checkpoints: SqliteCheckpoints) -> None:
    checkpoints.acquire_lease("job", owner="b", now=2e12, lease_s=1, is_dead=lambda _: True)
    writing = writer(checkpoints)
    writing.start()
    assert not writing.close(CHECKPOINT, deadline_s=3600)
