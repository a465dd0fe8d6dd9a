from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dags.modules.airflow_api import pause_dag_at
from dags.modules.alerts import alert_and_pause_listener, alert_failure, webhook_url
from dags.modules.errors import ChunksNotLandedError, NiFiUnreachableError
from tests.support.dags.fake_server import Answer, FakeServer

UPLOAD = "4" * 32


class FakeAirflow(FakeServer):
    """Issues a token as the simple auth manager does, and pauses DAGs."""

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if path == "/auth/token":
            allowed = method == "GET" or json.loads(body) == {"username": "u", "password": "p"}
            return (201, {"access_token": "t"}) if allowed else (401, {})
        return 200, {}


class FakeWebhook(FakeServer):
    """Accepts alerts, or returns ``status``."""

    status = 200

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self.status, {}

    @property
    def alerts(self) -> list[dict[str, str]]:
        return [json.loads(body) for _, _, body in self.requests]


@pytest.fixture
def fake_webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWebhook]:
    with FakeWebhook().running() as server:
        conn = json.dumps({"conn_type": "http", "host": f"{server.url}/hook"})
        monkeypatch.setenv("AIRFLOW_CONN_CSV_INGESTION_ALERTS", conn)
        yield server


@pytest.fixture
def fake_airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    with FakeAirflow().running() as server:
        host, port = server.host_port.split(":")
        monkeypatch.setenv(
            "AIRFLOW_CONN_AIRFLOW_API", json.dumps({"conn_type": "http", "host": host, "port": int(port)})
        )
        yield server


def context_of(error: BaseException) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="csv-chunk-ingestion", run_id="r", task_id="trigger", log_url="http://airflow/log")
    conf = {"upload_id": UPLOAD, "dataset_name": "flights"}
    return {"task_instance": ti, "dag_run": SimpleNamespace(conf=conf), "exception": error}


def test_alert_names_upload_task_and_reason_in_log_and_webhook(
    fake_webhook: FakeWebhook, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        alert_failure(context_of(ChunksNotLandedError("chunk 3 (k): gone")))
    (alert,) = fake_webhook.alerts
    assert alert["upload_id"] == UPLOAD
    assert alert["url"] == "http://airflow/log"
    for text in (alert["text"], caplog.text):
        assert f"csv-chunk-ingestion.trigger failed for upload {UPLOAD} (dataset flights)" in text
        assert "chunk 3 (k): gone" in text


def test_unavailable_nifi_pauses_the_listener(fake_webhook: FakeWebhook, fake_airflow: FakeAirflow) -> None:
    alert_and_pause_listener(context_of(NiFiUnreachableError("refused")))
    assert ("PATCH", "/api/v2/dags/csv-ingestion-listener", b'{"is_paused": true}') in fake_airflow.requests
    assert "csv-ingestion-listener is paused" in fake_webhook.alerts[0]["text"]


def test_other_failures_leave_the_listener_running(fake_webhook: FakeWebhook, fake_airflow: FakeAirflow) -> None:
    alert_and_pause_listener(context_of(ChunksNotLandedError("chunk 3")))
    assert fake_airflow.requests == []
    assert "is paused" not in fake_webhook.alerts[0]["text"]


def test_failed_pause_is_reported_in_the_alert(fake_webhook: FakeWebhook) -> None:
    alert_and_pause_listener(context_of(NiFiUnreachableError("refused")))
    assert "could NOT be paused" in fake_webhook.alerts[0]["text"]
    assert "connection airflow_api" in fake_webhook.alerts[0]["text"]


def test_alert_is_logged_without_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        alert_failure(context_of(ChunksNotLandedError("chunk 3")))
    assert "ALERT" in caplog.text


def test_webhook_error_does_not_log_its_address(fake_webhook: FakeWebhook, caplog: pytest.LogCaptureFixture) -> None:
    fake_webhook.status = 500
    alert_failure(context_of(ChunksNotLandedError("chunk 3")))
    assert "Alert webhook failed error=HTTPError" in caplog.text
    assert fake_webhook.url not in caplog.text


def test_unreachable_webhook_does_not_log_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The path of a webhook is often a secret, and urllib3 logs it with every retry."""
    away = FakeWebhook()
    away.close()
    conn = json.dumps({"conn_type": "http", "host": f"{away.url}/hook/SECRET"})
    monkeypatch.setenv("AIRFLOW_CONN_CSV_INGESTION_ALERTS", conn)
    with caplog.at_level(logging.INFO):
        alert_failure(context_of(ChunksNotLandedError("chunk 3")))
    assert "Alert webhook failed error=ConnectionError" in caplog.text
    assert "SECRET" not in caplog.text


def test_alert_of_a_chunk_run_has_the_retry_command(fake_webhook: FakeWebhook) -> None:
    alert_and_pause_listener(context_of(ChunksNotLandedError("chunk 3")))
    assert "'airflow tasks clear csv-chunk-ingestion --only-failed --yes'" in fake_webhook.alerts[0]["text"]


def test_callback_accepts_a_sparse_context(fake_webhook: FakeWebhook) -> None:
    alert_failure({"exception": "killed"})
    assert "killed" in fake_webhook.alerts[0]["text"]


def test_pause_logs_in_with_the_connection(fake_airflow: FakeAirflow, connection: Callable[..., Any]) -> None:
    import requests

    host, port = fake_airflow.host_port.split(":")
    pause_dag_at(connection("airflow_api", host=host, port=int(port), login="u", password="p"), "d")
    assert [method for method, _, _ in fake_airflow.requests] == ["POST", "PATCH"]
    with pytest.raises(requests.HTTPError, match="401"):
        pause_dag_at(connection("airflow_api", host=host, port=int(port), login="u", password="wrong"), "d")


def test_redirect_is_no_success(fake_webhook: FakeWebhook, caplog: pytest.LogCaptureFixture) -> None:
    fake_webhook.status, fake_webhook.location = 302, "https://elsewhere.example/SECRET"
    alert_failure(context_of(ChunksNotLandedError("chunk 3")))
    assert "Alert webhook failed error=HTTPError" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("status", [302, 307])
def test_redirected_pause_is_reported_and_sends_no_password(
    fake_webhook: FakeWebhook, connection: Callable[..., Any], status: int
) -> None:
    import requests

    with FakeWebhook().running() as redirecting:
        redirecting.status, redirecting.location = status, f"{fake_webhook.url}/auth/token"
        host, port = redirecting.host_port.split(":")
        with pytest.raises(requests.HTTPError, match=str(status)):
            pause_dag_at(connection("airflow_api", host=host, port=int(port), login="u", password="p"), "d")
    assert not fake_webhook.requests


def test_webhook_url_is_built_from_parts(connection: Callable[..., Any]) -> None:
    whole = connection("a", host="https://hooks.example/x/y")
    parts = connection("a", schema="https", host="hooks.example", port=8443, extra={"path": "/x"})
    assert webhook_url(whole) == "https://hooks.example/x/y"
    assert webhook_url(parts) == "https://hooks.example:8443/x"
