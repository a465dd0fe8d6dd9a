"""What is tried again, how often, and what ends a job at once. The attempts are fakes, the lease is real."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.checkpoint.lease import Lease
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import LeaseHeldError, NotAllowedError, OrderBrokenError
from sequencer.job import job
from sequencer.job.attempt import JobParts
from sequencer.job.job import run_job
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError

AWAY, SENT = TemporaryFailureError("away"), "sent something, then away"
DONE = Checkpoint(job_id="j", timestamp=datetime(2026, 1, 31, tzinfo=UTC), topic="t", partition=0, first_offset=0)


class FakeAttempts:
    """Stands in for the class: each attempt does the next of ``steps``; ``remembered`` is what each was given."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps
        self.remembered: list[object] = []

    def __call__(self, parts: JobParts, *, lease: object, stop: StopRequest, remembered: object) -> SimpleNamespace:
        self.remembered.append(remembered)
        step, number = self.steps[len(self.remembered) - 1], len(self.remembered)

        def run() -> object:
            if step == SENT:
                parts.progress.records_sent += 1
                raise AWAY
            if isinstance(step, CsvPipeError):
                raise step
            return step

        return SimpleNamespace(run=run, checkpoint=f"checkpoint {number}")


@pytest.fixture
def parts(tmp_path: Path) -> JobParts:
    return SimpleNamespace(  # type: ignore[return-value]  # as much of it as is looked at
        settings=JobSettings(_env_file=None, retries=2),
        job_id="j",
        owner="me",
        checkpoints=SqliteCheckpoints(str(tmp_path / "c.sqlite3")),
        progress=Progress(),
    )


def set_on(parts: JobParts, **settings: float) -> None:
    parts.settings = parts.settings.model_copy(update=settings)  # type: ignore[misc]  # a SimpleNamespace here


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> FakeAttempts:
    fakes = FakeAttempts([])
    monkeypatch.setattr(job, "Attempt", fakes)
    monkeypatch.setattr(job, "_FIRST_WAIT_S", 0.001)
    return fakes


def test_outage_is_tried_again_with_what_is_remembered(parts: JobParts, attempts: FakeAttempts) -> None:
    attempts.steps = [AWAY, AWAY, DONE]
    assert run_job(parts, StopRequest()) is DONE
    assert attempts.remembered == [None, "checkpoint 1", "checkpoint 2"]
    assert parts.progress.errors == 2


def test_outage_that_outlasts_the_retries_ends_the_job_and_frees_the_lease(
    parts: JobParts, attempts: FakeAttempts
) -> None:
    attempts.steps = [AWAY] * 3
    with pytest.raises(TemporaryFailureError, match="away"):
        run_job(parts, StopRequest())
    assert len(attempts.remembered) == 3
    parts.checkpoints.acquire_lease("j", owner="another", now=0, lease_s=60, is_dead=lambda _: False)


def test_whoever_gets_on_between_outages_has_all_retries_again(parts: JobParts, attempts: FakeAttempts) -> None:
    attempts.steps = [AWAY, AWAY, SENT, AWAY, SENT, AWAY, DONE]
    assert run_job(parts, StopRequest()) is DONE


@pytest.mark.parametrize("final", [NotAllowedError("no"), OrderBrokenError("broken")])
def test_what_a_person_has_to_look_at_is_not_tried_again(
    parts: JobParts, attempts: FakeAttempts, final: CsvPipeError
) -> None:
    attempts.steps = [final]
    with pytest.raises(type(final)):
        run_job(parts, StopRequest())


def test_job_that_is_to_stop_does_not_wait_for_what_is_away(parts: JobParts, attempts: FakeAttempts) -> None:
    attempts.steps = [AWAY]
    stop = StopRequest()
    stop.request("SIGTERM")
    with pytest.raises(TemporaryFailureError, match="away"):
        run_job(parts, stop)


def test_wish_to_stop_ends_the_waiting_for_what_is_away(
    parts: JobParts, attempts: FakeAttempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_FIRST_WAIT_S", 3600)
    monkeypatch.setattr(job, "_LONGEST_WAIT_S", 3600)
    attempts.steps = [AWAY]
    stop = StopRequest()
    threading.Timer(0.05, stop.request, ["SIGTERM"]).start()
    with pytest.raises(TemporaryFailureError, match="away"):
        run_job(parts, stop)


def test_wish_to_stop_ends_the_waiting_for_the_lease(
    parts: JobParts, attempts: FakeAttempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "is_safe", lambda _self: False)
    stop = StopRequest(within_s=3600)
    stop.request("SIGTERM")
    with pytest.raises(TemporaryFailureError, match="lease is not renewed"):
        run_job(parts, stop)
    assert attempts.remembered == []


@pytest.mark.parametrize("lease_wait_s", [0.0, 0.1])
def test_job_that_another_process_runs_for_too_long_is_not_begun(
    parts: JobParts, attempts: FakeAttempts, lease_wait_s: float
) -> None:
    set_on(parts, lease_wait_s=lease_wait_s)
    parts.checkpoints.acquire_lease("j", owner="another", now=4e9, lease_s=60, is_dead=lambda _: False)
    with pytest.raises(LeaseHeldError, match="run by another"):
        run_job(parts, StopRequest())
    assert attempts.remembered == []


def test_lease_that_is_held_is_waited_for(
    parts: JobParts, attempts: FakeAttempts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job, "_LEASE_POLL_S", 0.01)
    held = [LeaseHeldError("held", owner="another", lease_until="2026-01-31")] * 3
    take = parts.checkpoints.acquire_lease

    def take_later(*positional: Any, **named: Any) -> None:
        if held:
            raise held.pop()
        take(*positional, **named)

    monkeypatch.setattr(parts.checkpoints, "acquire_lease", take_later)
    attempts.steps = [DONE]
    assert run_job(parts, StopRequest()) is DONE
    assert caplog.text.count("job j is run by another, whose lease lasts until 2026-01-31; waiting") == 1


def test_wish_to_stop_ends_the_waiting_for_a_lease_that_another_holds(parts: JobParts, attempts: FakeAttempts) -> None:
    parts.checkpoints.acquire_lease("j", owner="another", now=4e9, lease_s=60, is_dead=lambda _: False)
    stop = StopRequest()
    threading.Timer(0.05, stop.request, ["SIGTERM"]).start()
    with pytest.raises(StopRequestedError):
        run_job(parts, stop)
    assert attempts.remembered == []


@pytest.mark.parametrize(("retries", "retry_for_s", "gives_up"), [(2, 3600, False), (2, 0, True), (0, 3600, True)])
def test_job_under_way_outlasts_its_retries_for_some_time(
    parts: JobParts, attempts: FakeAttempts, retries: int, retry_for_s: float, gives_up: bool
) -> None:
    set_on(parts, retries=retries, retry_for_s=retry_for_s)
    attempts.steps = [SENT, *[AWAY] * 5, DONE]
    if gives_up:
        with pytest.raises(TemporaryFailureError, match="away"):
            run_job(parts, StopRequest())
    else:
        assert run_job(parts, StopRequest()) is DONE


def test_job_that_has_sent_nothing_yet_has_its_retries_alone(parts: JobParts, attempts: FakeAttempts) -> None:
    set_on(parts, retry_for_s=3600)
    attempts.steps = [AWAY] * 3
    with pytest.raises(TemporaryFailureError, match="away"):
        run_job(parts, StopRequest())
