"""Which failures of an attempt are retried, and how often. The attempts are fakes, the lease is real."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.backoff import Backoff
from contracts.errors import CsvPipeError, NotAllowedError, TemporaryFailureError
from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.lease_guard import HeldLease
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import LeaseHeldError, OrderBrokenError
from sequencer.input.job_input import open_input
from sequencer.job.attempt import JobParts
from sequencer.job.job import Waiting, run_job
from sequencer.job.progress_recorder import Memory
from sequencer.job.resume_point import ResumePoint
from sequencer.job.target import RecordSender
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.model.schema import Schema
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError
from sequencer.source.local_file import LocalFile

AWAY, SENT = TemporaryFailureError("away"), "sent something, then away"
DONE = Checkpoint(job_id="j", timestamp=datetime(2026, 1, 31, tzinfo=UTC), topic="t", partition=0, first_offset=0)


class FakeAttempts:
    """Runs attempts: each does the next of ``steps``; ``remembered`` holds the checkpoint that each has found."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.remembered: list[Checkpoint | None] = []

    def __call__(self, parts: JobParts, *, lease: HeldLease, stop: StopRequest, memory: Memory) -> Checkpoint:
        self.remembered.append(memory.checkpoint)
        number = len(self.remembered)
        step = self.steps[number - 1]
        memory.checkpoint = replace(DONE, last_line=number)
        if step == SENT:
            parts.progress.records_sent += 1
            raise AWAY
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, Checkpoint)
        return step


class NoTarget:
    """A partition that no attempt of these tests uses."""

    needs_lease = True

    def resume(self, checkpoint: Checkpoint | None, **_more: Any) -> tuple[ResumePoint, RecordSender]:
        raise AssertionError("the attempts are fakes")

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        raise AssertionError("the attempts are fakes")


class Case:
    """A job with fake attempts."""

    def __init__(self, directory: Path) -> None:
        path = directory / "a.csv"
        path.write_text("a\n1\n", encoding="ascii")
        settings = JobSettings(_env_file=None, retries=2)
        self.attempts = FakeAttempts()
        self.checkpoints = SqliteCheckpoints(str(directory / "c.sqlite3"))
        self.waiting = Waiting(backoff=Backoff(0.001, 0.01), lease_poll_s=0.01)
        self.clock = Clock()
        self.parts = JobParts(
            settings=settings,
            job_id="j",
            partition=PartitionRef("t"),
            source=open_input([LocalFile(str(path))], settings=settings, schema=Schema()),
            target=NoTarget(),
            checkpoints=self.checkpoints,
            owner="me",
            client={},
            progress=Progress(),
        )

    def set(self, **settings: float) -> None:
        self.parts = replace(self.parts, settings=self.parts.settings.model_copy(update=settings))

    def run(self, *steps: Any, stop: StopRequest | None = None) -> Checkpoint:
        self.attempts.steps = [*steps]
        return run_job(
            replace(self.parts, clock=self.clock),
            stop or StopRequest(),
            run_attempt=self.attempts,
            waiting=self.waiting,
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_outage_is_retried_from_memory(case: Case) -> None:
    assert case.run(AWAY, AWAY, DONE) is DONE
    assert [found and found.last_line for found in case.attempts.remembered] == [None, 1, 2]
    assert case.parts.progress.errors == 2


def test_outage_that_outlasts_the_retries_ends_the_job_and_releases_the_lease(case: Case) -> None:
    with pytest.raises(TemporaryFailureError, match="away"):
        case.run(AWAY, AWAY, AWAY)
    assert len(case.attempts.remembered) == 3
    case.checkpoints.acquire_lease("j", owner="another", now=0, lease_s=60, is_dead=lambda _: False)


def test_progress_resets_the_retry_budget(case: Case) -> None:
    assert case.run(AWAY, AWAY, SENT, AWAY, SENT, AWAY, DONE) is DONE


@pytest.mark.parametrize("final", [NotAllowedError("no"), OrderBrokenError("broken")])
def test_fatal_error_is_not_retried(case: Case, final: CsvPipeError) -> None:
    with pytest.raises(type(final)):
        case.run(final)


def test_stop_request_prevents_a_retry(case: Case) -> None:
    stop = StopRequest()
    stop.request("SIGTERM")
    with pytest.raises(TemporaryFailureError, match="away"):
        case.run(AWAY, stop=stop)


def test_stop_request_ends_the_pause_before_a_retry(case: Case) -> None:
    case.waiting = Waiting(backoff=Backoff(3600, 3600))
    stop = StopRequest()
    threading.Timer(0.05, stop.request, ["SIGTERM"]).start()
    with pytest.raises(TemporaryFailureError, match="away"):
        case.run(AWAY, stop=stop)


def test_stop_request_ends_the_wait_for_a_renewed_lease(case: Case) -> None:
    """The lease is unsafe from its acquisition on, as the clock runs by a year each time it is read."""
    years = itertools.count()
    case.clock = Clock(wall=lambda: 3e7 * next(years))
    stop = StopRequest(within_s=3600)
    stop.request("SIGTERM")
    with pytest.raises(TemporaryFailureError, match="lease"):
        case.run(stop=stop)
    assert case.attempts.remembered == []


@pytest.mark.parametrize("lease_wait_s", [0.0, 0.1])
def test_job_whose_lease_is_held_for_too_long_does_not_start(case: Case, lease_wait_s: float) -> None:
    case.set(lease_wait_s=lease_wait_s)
    case.checkpoints.acquire_lease("j", owner="another", now=4e9, lease_s=60, is_dead=lambda _: False)
    with pytest.raises(LeaseHeldError, match="another"):
        case.run()
    assert case.attempts.remembered == []


def test_held_lease_is_waited_for(
    case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = [LeaseHeldError("held", owner="another", lease_until="2026-01-31")] * 3
    acquire = case.checkpoints.acquire_lease

    def acquire_later(*positional: Any, **named: Any) -> None:
        if held:
            raise held.pop()
        acquire(*positional, **named)

    monkeypatch.setattr(case.checkpoints, "acquire_lease", acquire_later)
    assert case.run(DONE) is DONE
    waits = [vars(record) for record in caplog.records if hasattr(record, "lease_until")]
    assert [(wait["job_id"], wait["owner"], wait["lease_until"]) for wait in waits] == [("j", "another", "2026-01-31")]


def test_stop_request_ends_the_wait_for_a_held_lease(case: Case) -> None:
    case.checkpoints.acquire_lease("j", owner="another", now=4e9, lease_s=60, is_dead=lambda _: False)
    stop = StopRequest()
    threading.Timer(0.05, stop.request, ["SIGTERM"]).start()
    with pytest.raises(StopRequestedError):
        case.run(stop=stop)
    assert case.attempts.remembered == []


@pytest.mark.parametrize(("retries", "retry_for_s", "fails"), [(2, 3600, False), (2, 0, True), (0, 3600, True)])
def test_job_with_progress_is_retried_for_longer_than_its_retries(
    case: Case, retries: int, retry_for_s: float, fails: bool
) -> None:
    case.set(retries=retries, retry_for_s=retry_for_s)
    steps = [SENT, *[AWAY] * 5, DONE]
    if fails:
        with pytest.raises(TemporaryFailureError, match="away"):
            case.run(*steps)
    else:
        assert case.run(*steps) is DONE


def test_job_without_progress_has_its_retries_only(case: Case) -> None:
    case.set(retry_for_s=3600)
    with pytest.raises(TemporaryFailureError, match="away"):
        case.run(AWAY, AWAY, AWAY)
