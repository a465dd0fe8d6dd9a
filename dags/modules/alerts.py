"""What happens when a task has failed for good: log, webhook, and a pause of the listener while NiFi is away."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER
from dags.modules.errors import NifiError
from dags.modules.settings import CONN_ALERTS

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)


def alert_failure(context: Mapping[str, Any]) -> None:
    """Log the failure and send it to the webhook, if there is one (``on_failure_callback`` of every task)."""
    send_alert(describe_failure(context))


def alert_and_pause_listener(context: Mapping[str, Any]) -> None:
    """As :func:`alert_failure`; when NiFi was the reason, pause the listener first.

    What is announced from then on waits in Kafka. What failed is announced again by the uploader, or cleared by hand; a
    manifest that could not be published is only ever cleared, since all of its chunks have landed.
    """
    alert = describe_failure(context)
    alert["text"] += (
        f" When the cause is gone, 'airflow tasks clear {DAG_CHUNK_INGESTION} --only-failed --yes' runs it again."
    )
    if isinstance(context.get("exception"), NifiError):
        alert["text"] += f" {_pause_listener()}"
    send_alert(alert)


def describe_failure(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the alert: ``text`` for people, the rest for programs."""
    ti = context.get("task_instance") or context.get("ti")
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    alert = {
        "dag_id": str(getattr(ti, "dag_id", "")),
        "run_id": str(getattr(ti, "run_id", "")),
        "task_id": str(getattr(ti, "task_id", "")),
        "upload_id": str(conf.get("upload_id", "")),
        "url": str(getattr(ti, "log_url", "")),
    }
    of_upload = f" of upload {conf['upload_id']} (dataset {conf.get('dataset_name')})" if conf.get("upload_id") else ""
    text = f"{alert['dag_id']}.{alert['task_id']}{of_upload} has failed for good: {context.get('exception')}."
    return {"text": text[:3000], **alert}


def send_alert(alert: Mapping[str, str]) -> None:
    """Log ``alert`` and, where there is a connection ``csv_ingestion_alerts``, POST it there."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    log.error("ALERT %s", alert["text"])
    try:
        connection = Connection.get(CONN_ALERTS)
    except AirflowNotFoundException:
        return
    post_alert(webhook_url(connection), alert)


def post_alert(url: str, alert: Mapping[str, str]) -> None:
    """POST ``alert`` as JSON; what goes wrong is logged, as an alert that cannot be sent must not hide the failure."""
    import requests

    from dags.modules.http_session import TIMEOUT_S, open_session

    try:
        # No retries: urllib3 would log each with the address.
        open_session(retries=0).post(url, json=dict(alert), timeout=TIMEOUT_S).raise_for_status()
    except requests.RequestException as error:
        # Not log.exception: the address, which stands in the error, may be the secret (Slack's is).
        log.error("the alert's webhook did not take it: %s", type(error).__name__)  # noqa: TRY400 - see above


def webhook_url(connection: Connection) -> str:
    """Return the address that the connection holds, whole in ``host`` or in parts."""
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'http'}://{host}{port}{connection.extra_dejson.get('path', '')}"


def _pause_listener() -> str:
    from dags.modules.airflow_api import pause_dag

    try:
        pause_dag(DAG_LISTENER)
    except Exception as error:  # the alert must go out whatever keeps us from pausing
        log.exception("%s could not be paused", DAG_LISTENER)
        return f"{DAG_LISTENER} could NOT be paused ({error})."
    return f"{DAG_LISTENER} is paused: 'airflow dags unpause {DAG_LISTENER}' when NiFi is back."
