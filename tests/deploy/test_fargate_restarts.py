"""The state machine of option 1, as planned, on a fake of Step Functions: who is started again, and who is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.terraform.fake_step_functions import FakeStepFunctions, FakeTaskError
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import OPTIONS

NO_CAPACITY = FakeTaskError("Capacity is unavailable at this time (Service: AmazonECS; Status Code: 400)")


@pytest.fixture
def definition(planned: Callable[..., Plan]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(planned(OPTIONS[0]).one("aws_sfn_state_machine")["definition"])
    return made


def task(exit_code: int | None) -> dict[str, Any]:
    container: dict[str, Any] = {"Name": "sequencer"} | ({} if exit_code is None else {"ExitCode": exit_code})
    return {"Containers": [container], "StopCode": "EssentialContainerExited", "StoppedReason": "..."}


def failed(exit_code: int | None) -> FakeTaskError:
    """A task that ends with anything but 0 comes as an error whose cause is the task."""
    return FakeTaskError(json.dumps(task(exit_code)))


def test_finished_job_is_not_restarted(definition: dict[str, Any]) -> None:
    execution = FakeStepFunctions(definition, [task(0)])
    assert (execution.run(), execution.runs, execution.waited_s) == ("Succeed", 1, 0)


@pytest.mark.parametrize(
    "outcome",
    [failed(75), task(75), failed(137), failed(143), failed(None), task(None), NO_CAPACITY],
    ids=["75", "75-told-otherwise", "killed", "terminated", "never-started", "taken-away", "no-capacity"],
)
def test_job_is_restarted_after_a_pause(definition: dict[str, Any], outcome: dict[str, Any] | FakeTaskError) -> None:
    execution = FakeStepFunctions(definition, [outcome, outcome, task(0)])
    assert (execution.run(), execution.runs, execution.waited_s) == ("Succeed", 3, 120)


@pytest.mark.parametrize("code", [1, 64, 65, 66, 70, 73, 74, 76, 77, 78])
def test_permanent_failure_is_not_restarted(definition: dict[str, Any], code: int) -> None:
    execution = FakeStepFunctions(definition, [failed(code)])
    assert (execution.run(), execution.runs) == ("NeedsAPerson", 1)


def test_job_without_progress_stops_after_max_runs(definition: dict[str, Any]) -> None:
    execution = FakeStepFunctions(definition, [failed(75)] * 20)
    assert (execution.run(), execution.runs) == ("TooManyRuns", 20)


def test_task_runs_in_its_subnets_without_a_public_address(definition: dict[str, Any]) -> None:
    network = definition["States"]["Run"]["Parameters"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["Subnets"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    assert network["AssignPublicIp"] == "DISABLED"


def test_every_state_that_is_named_exists(definition: dict[str, Any]) -> None:
    states = definition["States"]
    text = json.dumps(definition)
    named = {definition["StartAt"]} | {n for n in states if f'"Next": "{n}"' in text or f'"Default": "{n}"' in text}
    assert named == set(states)
