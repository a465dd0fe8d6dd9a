from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from contracts.errors import InvalidMessageError
from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER
from dags.modules.errors import (
    ChunksNotLandedError,
    NiFiRefusedError,
    NiFiUnreachableError,
    StoreError,
    StoreRefusedError,
    UploaderError,
)

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

BOTH = [DAG_LISTENER, DAG_CHUNK_INGESTION]


def tasks_of(dag_bag: DagBag, dag_id: str) -> dict[str, Any]:
    return dict(dag_bag.dags[dag_id].task_dict)


def test_dag_files_parse_and_modules_are_ignored(dag_bag: DagBag) -> None:
    assert dag_bag.import_errors == {}
    assert sorted(dag_bag.dags) == sorted(BOTH)
    assert len(dag_bag.dagbag_stats) == 2


def test_parsing_imports_nothing_heavy() -> None:
    """A task process parses its DAG file before anything else, so these would be paid by every task."""
    import subprocess
    import sys

    heavy = "'boto3', 'requests', 'airflow.providers.http.hooks.http', 'moto'"
    code = (
        "import sys; before = set(sys.modules); import airflow.sdk; known = set(sys.modules)\n"
        "import dags.csv_chunk_ingestion_dag, dags.csv_ingestion_listener_dag\n"
        f"print(sorted(({{{heavy}}} & set(sys.modules)) - known))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_listener_commits_last(dag_bag: DagBag) -> None:
    edges = {name: sorted(task.upstream_task_ids) for name, task in tasks_of(dag_bag, DAG_LISTENER).items()}
    assert edges == {
        "listen_kafka_csv_topic": [],
        "extract_message_data": ["listen_kafka_csv_topic"],
        "start_chunk_runs": ["extract_message_data"],
        "commit_offsets": ["extract_message_data", "start_chunk_runs"],
    }


def test_chunk_run_has_four_sequential_tasks(dag_bag: DagBag) -> None:
    tasks = tasks_of(dag_bag, DAG_CHUNK_INGESTION)
    assert {name: sorted(task.upstream_task_ids) for name, task in tasks.items()} == {
        "prepare_nifi_request": [],
        "trigger_nifi_ingestion": ["prepare_nifi_request"],
        "monitor_nifi_status": ["trigger_nifi_ingestion"],
        "publish_manifest": ["monitor_nifi_status"],
    }
    assert not any(task.is_mapped for task in tasks.values())


def test_listener_is_continuous_with_one_active_run(dag_bag: DagBag) -> None:
    dag = dag_bag.dags[DAG_LISTENER]
    assert type(dag.timetable).__name__ == "ContinuousTimetable"
    assert dag.max_active_runs == 1
    assert dag_bag.dags[DAG_CHUNK_INGESTION].max_active_runs == 32


def test_wake_up_does_not_commit_or_filter(dag_bag: DagBag) -> None:
    listen = tasks_of(dag_bag, DAG_LISTENER)["listen_kafka_csv_topic"]
    assert listen.commit_offset is False
    assert listen.topics == ["csv-ingestion"]
    assert listen.apply_function == "dags.modules.kafka_listener.any_message"


def test_drain_summary_is_one_xcom(dag_bag: DagBag) -> None:
    """With multiple outputs, its count ``runs`` would replace the pushed list of runs."""
    assert tasks_of(dag_bag, DAG_LISTENER)["extract_message_data"].multiple_outputs is False


def test_monitor_has_its_pool_and_deadline(dag_bag: DagBag) -> None:
    monitor = tasks_of(dag_bag, DAG_CHUNK_INGESTION)["monitor_nifi_status"]
    assert (monitor.pool, monitor.deadline_s) == ("nifi_monitoring", 600)


def test_listener_has_priority_over_chunk_tasks(dag_bag: DagBag) -> None:
    for task in tasks_of(dag_bag, DAG_LISTENER).values():
        assert (task.priority_weight, task.weight_rule) == (100, "absolute")
    assert {task.priority_weight for task in tasks_of(dag_bag, DAG_CHUNK_INGESTION).values()} == {1}


@pytest.mark.parametrize("dag_id", BOTH)
def test_dag_policy(dag_bag: DagBag, dag_id: str) -> None:
    dag = dag_bag.dags[dag_id]
    assert "csv-ingestion" in dag.tags
    assert dag.doc_md
    assert dag.catchup is False
    assert dag.is_paused_upon_creation is False


@pytest.mark.parametrize(("dag_id", "retries"), [(DAG_LISTENER, 10), (DAG_CHUNK_INGESTION, 20)])
def test_task_policy(dag_bag: DagBag, dag_id: str, retries: int) -> None:
    for task in tasks_of(dag_bag, dag_id).values():
        assert task.owner == "csv-ingestion"
        assert len(task.doc_md) > 60, task.task_id
        assert (task.retries, task.retry_delay.total_seconds()) == (retries, 5), "also where a process was killed"
        assert task.on_failure_callback, task.task_id


@pytest.mark.parametrize(
    ("task_id", "error", "delays_s"),
    [
        ("prepare_nifi_request", StoreError("away"), [5, 10, 20, 40, 60, *[60] * 15]),
        ("trigger_nifi_ingestion", NiFiUnreachableError("503"), [5, 10, 20, 40, 60, *[60] * 15]),
        ("monitor_nifi_status", UploaderError("away"), [5, 10, 20, 40, 60, *[60] * 15]),
        ("publish_manifest", StoreError("away"), [5, 10, 20, 40, 60, *[60] * 15]),
        ("prepare_nifi_request", StoreRefusedError("403"), [300] * 3),
        ("trigger_nifi_ingestion", NiFiRefusedError("405"), [300] * 3),
        ("prepare_nifi_request", InvalidMessageError("forged"), [300] * 3),
        ("monitor_nifi_status", ChunksNotLandedError("gone"), [5] * 3),
        ("publish_manifest", ZeroDivisionError(), [300] * 3),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_retries_depend_on_the_error(dag_bag: DagBag, task_id: str, error: Exception, delays_s: list[int]) -> None:
    task = tasks_of(dag_bag, DAG_CHUNK_INGESTION)[task_id]
    decisions = [task.retry_policy.evaluate(error, number, task.retries) for number in range(1, task.retries + 1)]
    delays = [d.retry_delay.total_seconds() for d in decisions if d.action is RetryAction.RETRY]
    assert delays == delays_s


def test_failure_callbacks_of_both_dags(dag_bag: DagBag) -> None:
    callbacks = {
        dag_id: {call.__name__ for task in tasks_of(dag_bag, dag_id).values() for call in task.on_failure_callback}
        for dag_id in BOTH
    }
    assert callbacks == {DAG_LISTENER: {"alert_failure"}, DAG_CHUNK_INGESTION: {"alert_and_pause_listener"}}
