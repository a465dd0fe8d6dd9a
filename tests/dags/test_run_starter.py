"""Holds Airflow's internal message to what :mod:`dags.modules.run_starter` uses of it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse, TriggerDagRun

from dags.modules.errors import RunNotStartedError
from dags.modules.run_starter import start_runs

RUNS = [{"run_id": f"r{n}", "note": "n", "conf": {"upload_id": "u"}} for n in range(3)]


class FakeSupervisor:
    """Takes what a task sends, and gives the answers of a test."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.sent: list[Any] = []

    def send(self, message: Any) -> Any:
        self.sent.append(message)
        return self.answers[len(self.sent) - 1]


def fake_supervisor(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> FakeSupervisor:
    fake = FakeSupervisor(list(answers))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", fake, raising=False)
    return fake


def test_run_is_started_with_id_conf_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_supervisor(monkeypatch, OKResponse(ok=True))
    assert start_runs("d", RUNS[:1]) == (1, 0)
    assert fake.sent == [TriggerDagRun(dag_id="d", run_id="r0", conf={"upload_id": "u"}, note="n")]


def test_existing_run_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)
    fake_supervisor(monkeypatch, OKResponse(ok=True), exists, OKResponse(ok=True))
    assert start_runs("d", RUNS) == (2, 1)


@pytest.mark.parametrize("answer", [None, ErrorResponse(error=ErrorType.API_SERVER_ERROR)])
def test_unexpected_response_fails_the_task(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    fake_supervisor(monkeypatch, answer)
    with pytest.raises(RunNotStartedError, match="r0"):
        start_runs("d", RUNS)


def test_supervisor_handles_the_message() -> None:
    import inspect

    from airflow.sdk.execution_time import supervisor

    assert "isinstance(msg, TriggerDagRun)" in inspect.getsource(supervisor.ActivitySubprocess._handle_request)
