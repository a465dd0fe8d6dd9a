"""The stack's client of Airflow's API, with a fake whose database is locked at first, or that is slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stack import airflow_api
from stack.airflow_api import AirflowApi, AirflowApiError


class FakeAirflow(ThreadingHTTPServer):
    """Answers the next ``locked`` calls with 500, as Airflow does while its SQLite database is locked.

    It leaves the next ``silent`` calls without an answer until it ends.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.locked = 0
        self.silent = 0
        self.ends = threading.Event()
        self.valid_token = "t"
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeAirflow

    def do_GET(self) -> None:
        self._answer(200, {"access_token": self.server.valid_token})

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(f"PATCH {self.path}")
        if self.headers["Authorization"] != f"Bearer {self.server.valid_token}":
            self._answer(403, {"detail": "Invalid JWT token"})
        elif self.server.silent:
            self.server.silent -= 1
            self.server.ends.wait()
            self.close_connection = True
        elif self.server.locked:
            self.server.locked -= 1
            self._answer(500, {"detail": {"reason": "Database error"}})
        else:
            self._answer(200, {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base has it so
        """Log nothing."""

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with FakeAirflow() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.ends.set()
        server.shutdown()
        thread.join()


def test_call_is_repeated_while_the_database_is_locked(airflow: FakeAirflow) -> None:
    airflow.locked = 2
    AirflowApi(airflow.url).set_paused("d", paused=False)
    assert airflow.calls == ["PATCH /api/v2/dags/d"] * 3


def test_call_is_repeated_if_it_is_not_answered_in_time(airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "_TIMEOUT_S", 0.2)
    airflow.silent = 1
    AirflowApi(airflow.url).set_paused("d", paused=False)
    assert airflow.silent == 0
    assert airflow.calls[:2] == ["PATCH /api/v2/dags/d"] * 2


def test_call_that_is_never_answered_is_reported(airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "_TIMEOUT_S", 0.2)
    airflow.silent = 1
    with pytest.raises(AirflowApiError, match="timed out"):
        AirflowApi(airflow.url, retry_s=0).set_paused("d", paused=False)


def test_failing_call_is_reported_with_the_response(airflow: FakeAirflow) -> None:
    airflow.locked = 1_000
    with pytest.raises(AirflowApiError, match=r"500.*Database error"):
        AirflowApi(airflow.url, retry_s=0).set_paused("d", paused=False)
    assert airflow.calls == ["PATCH /api/v2/dags/d"]


def test_token_of_a_replaced_secret_is_renewed(airflow: FakeAirflow) -> None:
    api = AirflowApi(airflow.url)
    api.set_paused("d", paused=False)
    airflow.valid_token = "after the secret was replaced"
    api.set_paused("d", paused=True)
    assert airflow.calls == ["PATCH /api/v2/dags/d"] * 3
