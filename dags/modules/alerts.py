"""Failure callbacks: log and send an alert, and pause the listener if NiFi is unavailable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER
from dags.modules.errors import NiFiError
from dags.modules.settings import CONN_ALERTS
from dags.modules.task_log import task_logger

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = task_logger(__name__)

_MAX_TEXT_CHARS = 3000


def alert_failure(context: Mapping[str, Any]) -> None:
    """Log the failure and send it to the webhook, if one is configured (``on_failure_callback`` of every task)."""
    send_alert(describe_failure(context))


def alert_and_pause_listener(context: Mapping[str, Any]) -> None:
    """Alert as :func:`alert_failure` does. If NiFi caused the failure, pause the listener first.

    Messages announced from then on wait in Kafka. Chunks of failed runs are announced again by the uploader, or an
    operator clears the runs. A manifest that was not published always needs clearing, as all of its chunks have landed.
    """
    alert = describe_failure(context)
    alert["text"] += (
        f" After the cause is fixed, run 'airflow tasks clear {DAG_CHUNK_INGESTION} --only-failed --yes' to retry."
    )
    if isinstance(context.get("exception"), NiFiError):
        alert["text"] += f" {_pause_listener()}"
    send_alert(alert)


def describe_failure(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the alert: ``text`` for people, the other fields for programs."""
    ti = context.get("task_instance") or context.get("ti")
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    alert = {
        "dag_id": str(getattr(ti, "dag_id", "")),
        "run_id": str(getattr(ti, "run_id", "")),
        "task_id": str(getattr(ti, "task_id", "")),
        "upload_id": str(conf.get("upload_id", "")),
        "url": str(getattr(ti, "log_url", "")),
    }
    upload = f" for upload {conf['upload_id']} (dataset {conf.get('dataset_name')})" if conf.get("upload_id") else ""
    text = f"{alert['dag_id']}.{alert['task_id']} failed{upload}, no retries left: {context.get('exception')}."
    return {"text": text[:_MAX_TEXT_CHARS], **alert}


def send_alert(alert: Mapping[str, str]) -> None:
    """Log ``alert``, and POST it if the connection ``csv_ingestion_alerts`` exists."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    log.error("ALERT: %s", alert["text"])
    try:
        connection = Connection.get(CONN_ALERTS)
    except AirflowNotFoundException:
        return
    post_alert(webhook_url(connection), alert)


def post_alert(url: str, alert: Mapping[str, str]) -> None:
    """POST ``alert`` as JSON. An error is only logged: an alert that cannot be sent must not hide the failure."""
    import requests

    from dags.modules.http_session import TIMEOUT_S, check_success, open_session

    try:
        # No retries: urllib3 would log the address with each of them.
        check_success(open_session(retries=0).post(url, json=dict(alert), timeout=TIMEOUT_S))
    except requests.RequestException as error:
        # Not log.exception: the error contains the address, which can be a secret (as it is with Slack).
        log.error("Alert webhook failed", extra={"error": type(error).__name__})  # noqa: TRY400 - see above


def webhook_url(connection: Connection) -> str:
    """Return the URL in the connection: complete in ``host``, or built from its parts."""
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'http'}://{host}{port}{connection.extra_dejson.get('path', '')}"


def _pause_listener() -> str:
    from dags.modules.airflow_api import pause_dag

    try:
        pause_dag(DAG_LISTENER)
    except Exception as error:  # the alert must be sent whatever prevents the pause
        log.exception("Cannot pause the listener", extra={"dag_id": DAG_LISTENER})
        return f"{DAG_LISTENER} could NOT be paused ({error})."
    return f"{DAG_LISTENER} is paused. Run 'airflow dags unpause {DAG_LISTENER}' when NiFi is available again."
