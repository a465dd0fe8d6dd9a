"""Starting runs of another DAG from inside a task."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from dags.modules.errors import RunNotStartedError

log = logging.getLogger(__name__)


def start_runs(dag_id: str, runs: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Start ``runs`` (``run_id, note, conf``); return how many are new and how many were there already."""
    outcomes = [start_run(dag_id, run_id=run["run_id"], conf=run["conf"], note=run["note"]) for run in runs]
    started = outcomes.count("started")
    log.info("%d runs of %s started, %d were there already", started, dag_id, len(outcomes) - started)
    return started, len(outcomes) - started


def start_run(dag_id: str, *, run_id: str, conf: dict[str, Any], note: str) -> Literal["started", "exists"]:
    """Start one run, once: the same ``run_id`` again changes nothing.

    This sends what ``TriggerDagRunOperator`` has the task's supervisor send, but a hundred times from one task (3 s;
    a hundred mapped operators took 57 s). It is not a public interface of Airflow: the version is pinned, a test
    holds it to what is used here, and this function is the only place that would change.

    Raises:
        AirflowRuntimeError: Airflow's API refused, or did not answer.
        RunNotStartedError: the supervisor gave another answer than agreed.
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse, TriggerDagRun

    answer = task_runner.SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf, note=note))
    if isinstance(answer, ErrorResponse) and answer.error == ErrorType.DAGRUN_ALREADY_EXISTS:
        return "exists"
    if not isinstance(answer, OKResponse):
        raise RunNotStartedError(f"run {run_id} of {dag_id} was not started: {answer!r}")
    return "started"
