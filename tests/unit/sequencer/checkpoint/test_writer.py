"""Checkpoints are saved beside the sending: the newest one, soon enough, whatever the store does."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.writer import CheckpointWriter
from sequencer.errors import CheckpointsUnavailableError
from sequencer.model.checkpoint import Checkpoint, JobStatus
from tests.support.waiting import wait_until

NOTED = Checkpoint(job_id="job", timestamp=datetime(2026, 1, 31, tzinfo=UTC), topic="t", partition=0, first_offset=0)


@pytest.fixture
def checkpoints(tmp_path: Path) -> SqliteCheckpoints:
    store = SqliteCheckpoints(str(tmp_path / "c.sqlite3"))
    store.acquire_lease("job", owner="a", now=0, lease_s=1e12, is_dead=lambda _: False)
    return store


def keeper(store: SqliteCheckpoints, *, interval: int = 10, interval_s: float = 3600) -> CheckpointWriter:
    return CheckpointWriter(store, owner="a", interval=interval, interval_s=interval_s)


def saved_line(store: SqliteCheckpoints) -> int:
    found = store.load("job")
    return found.last_line if found else 0


def test_enough_records_make_a_checkpoint_due_at_once(checkpoints: SqliteCheckpoints) -> None:
    keeping = keeper(checkpoints)
    keeping.start()
    keeping.offer(replace(NOTED, last_line=9, total_sent=9))
    keeping.offer(replace(NOTED, last_line=10, total_sent=10))
    wait_until(lambda: saved_line(checkpoints) == 10, what="it is saved", deadline_s=20)
    assert keeping.saved_at > 0
    keeping.close(NOTED, deadline_s=5)


def test_time_makes_a_checkpoint_due(checkpoints: SqliteCheckpoints) -> None:
    keeping = keeper(checkpoints, interval=10**9, interval_s=0.05)
    keeping.start()
    keeping.offer(replace(NOTED, last_line=1, total_sent=1))
    wait_until(lambda: saved_line(checkpoints) == 1, what="it is saved", deadline_s=20)
    keeping.close(NOTED, deadline_s=5)


def test_slow_store_holds_nobody_up_and_gets_the_newest(checkpoints: SqliteCheckpoints) -> None:
    begun, go_on = threading.Event(), threading.Event()
    save_at_once = checkpoints.save
    saved = []

    def save_late(checkpoint: Checkpoint, *, owner: str) -> None:
        begun.set()
        go_on.wait(60)
        saved.append(checkpoint.last_line)
        save_at_once(checkpoint, owner=owner)

    with patch.object(checkpoints, "save", save_late):
        keeping = keeper(checkpoints, interval=1)
        keeping.start()
        keeping.offer(replace(NOTED, last_line=1, total_sent=1))
        begun.wait(60)
        for line in range(2, 1000):
            keeping.offer(replace(NOTED, last_line=line, total_sent=line))
        go_on.set()
        wait_until(lambda: saved_line(checkpoints) == 999, what="the newest is saved", deadline_s=20)
        keeping.close(replace(NOTED, last_line=999), deadline_s=5)
    assert len(saved) < 10


def test_store_that_is_away_is_tried_again(checkpoints: SqliteCheckpoints) -> None:
    failures = [CheckpointsUnavailableError("away")] * 2
    save_at_once = checkpoints.save

    def save(checkpoint: Checkpoint, *, owner: str) -> None:
        if failures:
            raise failures.pop()
        save_at_once(checkpoint, owner=owner)

    with patch.object(checkpoints, "save", save), patch("sequencer.checkpoint.writer._FIRST_WAIT_S", 0.01):
        keeping = keeper(checkpoints, interval=10**9, interval_s=0.01)
        keeping.start()
        keeping.offer(replace(NOTED, last_line=5, total_sent=5))
        wait_until(lambda: saved_line(checkpoints) == 5, what="it is saved in the end", deadline_s=20)
        keeping.close(NOTED, deadline_s=5)


def test_last_checkpoint_is_saved_at_the_end(checkpoints: SqliteCheckpoints) -> None:
    keeping = keeper(checkpoints)
    keeping.start()
    assert keeping.close(replace(NOTED, last_line=3, status=JobStatus.DONE), deadline_s=5)
    assert checkpoints.load("job") == replace(NOTED, last_line=3, status=JobStatus.DONE)


def test_end_is_not_held_up_for_longer_than_its_deadline(checkpoints: SqliteCheckpoints) -> None:
    with patch.object(checkpoints, "save", side_effect=CheckpointsUnavailableError("away")):
        keeping = keeper(checkpoints)
        keeping.start()
        assert not keeping.close(NOTED, deadline_s=0.1)


def test_process_that_has_lost_the_lease_gives_up_at_once(checkpoints: SqliteCheckpoints) -> None:
    checkpoints.acquire_lease("job", owner="b", now=2e12, lease_s=1, is_dead=lambda _: True)
    keeping = keeper(checkpoints)
    keeping.start()
    assert not keeping.close(NOTED, deadline_s=3600)
