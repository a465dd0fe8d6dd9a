"""Client of the parts of Airflow's REST API that the stack and its tests use."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from stack.errors import StackError
from stack.tls import tls_context

ADMIN = "admin"
"""User of a secure stack's Airflow."""
_TIMEOUT_S = 20.0
_PAUSE_S = 0.5
_INVALID_TOKEN = "Invalid JWT token"  # noqa: S105  Airflow's text, with 403, after its secret was replaced
_PAGE = 100  # Airflow's maximum_page_limit


class AirflowApiError(StackError):
    """Airflow's API returned an unexpected response."""

    code = "airflow_api"
    title = "Airflow API"


class AirflowApi:
    """Client of the Airflow at ``url``, with the simple auth manager. Without a password, all users must be admins.

    Its database is SQLite, which accepts one writer at a time: on a busy machine a call can return 500 ("database is
    locked"), or nothing in time. Every call is idempotent, and is retried for ``retry_s`` seconds.
    """

    def __init__(
        self, url: str, *, password: SecretStr | None = None, ca_file: Path | None = None, retry_s: float = 60.0
    ) -> None:
        self._url = url
        self._password = password
        self._ca_file = ca_file
        self._retry_s = retry_s
        self._token: str | None = None

    def last_heartbeat(self, part: str) -> datetime | None:
        """Return the time of the last heartbeat of ``scheduler``, ``triggerer`` or ``dag_processor``.

        Raises:
            OSError: The API does not answer.
        """
        try:
            with self._client() as client:
                response = client.get("/api/v2/monitor/health")
            text = response.raise_for_status().json()[part][f"latest_{part}_heartbeat"]
        except httpx.HTTPError as error:
            raise ConnectionError(str(error)) from error
        return datetime.fromisoformat(text) if text else None

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool that includes deferred tasks, or change its size."""
        body = {"slots": slots, "description": description, "include_deferred": True}
        if self._call("POST", "/pools", json={**body, "name": name}, accept=(201, 409)).status_code == 409:
            self._call("PATCH", f"/pools/{name}", json={**body, "pool": name})

    def set_connection(self, name: str, connection: Mapping[str, Any]) -> None:
        """Create or replace a connection in Airflow's database, given in the form of ``AIRFLOW_CONN_*`` as JSON."""
        body = {**connection, "connection_id": name, "extra": json.dumps(connection.get("extra", {}))}
        if self._call("POST", "/connections", json=body, accept=(201, 409)).status_code == 409:
            self._call("PATCH", f"/connections/{name}", json=body)

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def dag_ids(self) -> set[str]:
        """Return the ids of the parsed DAGs."""
        return {dag["dag_id"] for dag in self._call("GET", "/dags?exclude_stale=true").json()["dags"]}

    def import_errors(self) -> list[str]:
        """Return the path and stack trace of each DAG file that cannot be imported."""
        errors = self._call("GET", "/importErrors").json()["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in errors]

    def runs(self, dag_id: str, *, limit: int | None = None, since: datetime | None = None) -> list[dict[str, Any]]:
        """Return runs of a DAG, newest first: up to ``limit``, not before ``since``. By default all."""
        path = f"/dags/{dag_id}/dagRuns?order_by=-run_after&limit={_PAGE}"
        if since is not None:
            path += f"&run_after_gte={since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        found: dict[str, dict[str, Any]] = {}  # by id: a run that starts between two requests shifts the pages
        offset = 0
        while limit is None or len(found) < limit:
            page = self._call("GET", f"{path}&offset={offset}").json()["dag_runs"]
            found |= {run["dag_run_id"]: run for run in page}
            offset += len(page)
            if len(page) < _PAGE:
                break
        return list(found.values())[:limit]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run (``~`` as ``run_id``: of all runs)."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000"
        return list(self._call("GET", path).json()["task_instances"])

    def fetch(self, path: str) -> bytes:
        """Return the response to ``GET /api/v2<path>`` as it is, also if Airflow refuses it."""
        return self._call("GET", path, accept=(200, 403, 404)).content

    def _call(self, method: str, path: str, *, json: object = None, accept: tuple[int, ...] = (200,)) -> httpx.Response:
        response = self._send_patiently(method, path, json)
        if response.status_code == 401 or (response.status_code == 403 and _INVALID_TOKEN in response.text):
            self._token = None
            response = self._send(method, path, json)
        if response.status_code not in accept:
            raise AirflowApiError(f"{method} {path} returned {response.status_code}: {response.text[:500]}")
        return response

    def _send_patiently(self, method: str, path: str, json: object) -> httpx.Response:
        """Send a request, and send it again while the answer is 500 or does not come in time."""
        deadline = time.monotonic() + self._retry_s
        while True:
            try:
                response = self._send(method, path, json)
            except AirflowApiError as error:
                if not isinstance(error.__cause__, httpx.TimeoutException) or time.monotonic() >= deadline:
                    raise
            else:
                if response.status_code < 500 or time.monotonic() >= deadline:
                    return response
            time.sleep(_PAUSE_S)

    def _send(self, method: str, path: str, json: object) -> httpx.Response:
        try:
            with self._client() as client:
                if self._token is None:
                    self._token = self._log_in(client)
                headers = {"Authorization": f"Bearer {self._token}"}
                return client.request(method, f"/api/v2{path}", json=json, headers=headers)
        except httpx.HTTPError as error:
            raise AirflowApiError(f"{method} {path} failed: {error}") from error

    def _log_in(self, client: httpx.Client) -> str:
        if self._password is None:
            response = client.get("/auth/token")
        else:
            credentials = {"username": ADMIN, "password": self._password.get_secret_value()}
            response = client.post("/auth/token", json=credentials)
        return str(response.raise_for_status().json()["access_token"])

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, timeout=_TIMEOUT_S, trust_env=False, verify=tls_context(self._ca_file))
