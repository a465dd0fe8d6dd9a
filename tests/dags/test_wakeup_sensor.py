from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowSkipException, TaskDeferralTimeout, TaskDeferred

from dags.modules.errors import ConfigurationError
from dags.modules.wakeup_sensor import WakeUpSensor

GOOD = (
    '{"conn_type": "kafka", "extra": {"bootstrap.servers": "k:9092", "group.id": "g",'
    ' "auto.offset.reset": "earliest", "enable.auto.commit": false}}'
)


@pytest.fixture
def sensor() -> WakeUpSensor:
    return WakeUpSensor(
        task_id="listen", topics=["t"], apply_function="f", kafka_config_id="kafka_csv_ingestion", commit_offset=False
    )


def test_sensor_waits_without_committing(sensor: WakeUpSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_CSV_INGESTION", GOOD)
    context: Any = {}
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    assert deferred.value.trigger.serialize()[1]["commit_offset"] is False


def test_auto_commit_connection_is_refused(sensor: WakeUpSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_CSV_INGESTION", GOOD.replace("false", "true"))
    context: Any = {}
    with pytest.raises(ConfigurationError, match=r"enable\.auto\.commit"):
        sensor.execute(context)


def resume_with(error: Exception, sensor: WakeUpSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(sensor, "execute_complete", fail)
    context: Any = {}
    sensor.resume_execution("execute_complete", {}, context)


def test_timeout_skips_the_run(sensor: WakeUpSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowSkipException, match="no message arrived"):
        resume_with(TaskDeferralTimeout("timeout"), sensor, monkeypatch)


def test_broken_trigger_fails_the_task(sensor: WakeUpSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowException, match="no such topic"):
        resume_with(AirflowException("no such topic"), sensor, monkeypatch)
