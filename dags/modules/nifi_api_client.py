"""NiFi as the DAGs see it: a process group whose health its REST API tells, and whose ListenHTTP takes messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from contracts.names import NIFI_PROCESS_GROUP
from contracts.traceparent import TRACEPARENT
from dags.modules.errors import (
    ConfigurationError,
    NifiLoginError,
    NifiNotReadyError,
    NifiRefusedError,
    NifiUnreachableError,
)
from dags.modules.http_session import TIMEOUT_S, TRANSIENT_STATUSES, open_session
from dags.modules.settings import CONN_NIFI

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from requests import Response, Session

log = logging.getLogger(__name__)

_LOGIN_REFUSED = frozenset({401, 403})
BUSY_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Waits between tries to hand a message over: 503 is back pressure and no fault, and a ListenHTTP that was just started
needs some seconds until its port is open. A message that is sent twice lands as one object."""


class NifiClient:
    """One process group of one NiFi."""

    def __init__(
        self,
        *,
        api_url: str,
        listen_url: str,
        process_group: str = NIFI_PROCESS_GROUP,
        credentials: tuple[str, str] | None = None,
        verify: bool | str = True,
        cert: tuple[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api_url = api_url
        self._listen_url = listen_url
        self._group = process_group
        self._credentials = credentials
        self._sleep = sleep
        self._session = open_session()
        self._listener = open_session(retries=0)
        for session in (self._session, self._listener):
            session.verify = verify
            session.cert = cert

    def check_ready(self) -> None:
        """Look whether the group runs and nothing in it is stopped or invalid.

        Raises:
            NifiUnreachableError: the API does not answer.
            NifiLoginError: it does not accept the credentials.
            NifiNotReadyError: the group is missing, stopped, or a processor of it is stopped or invalid.
        """
        group = self._find_group()
        counts = {name: int(group.get(f"{name}Count", 0)) for name in ("running", "stopped", "invalid")}
        log.info("process group %s: %s", self._group, counts)
        if counts["invalid"] or counts["stopped"] or not counts["running"]:
            raise NifiNotReadyError(
                f"process group {self._group} has {counts['running']} components running, {counts['stopped']} stopped, "
                f"{counts['invalid']} invalid: 'csvpipe nifi status' names them, 'csvpipe nifi deploy' starts them"
            )

    def send(self, body: bytes, *, traceparent: str | None = None) -> None:
        """POST one message to the group's ListenHTTP, which answers as soon as the message is in its queue.

        The flow makes the header ``traceparent`` an attribute, and sends it along when it fetches the chunk.

        Raises:
            NifiUnreachableError: it does not answer, or with 5xx, for half a minute.
            NifiRefusedError: it refuses the message.
        """
        for wait_s in (*BUSY_WAITS_S, None):
            try:
                self._post(body, traceparent)
            except NifiUnreachableError:
                if wait_s is None:
                    raise
            else:
                return
            # A ListenHTTP that was stopped and started answers 500 ("Throttler shutdown") on its old connections.
            self._listener.close()
            self._sleep(wait_s)

    def _post(self, body: bytes, traceparent: str | None) -> None:
        headers = {"Content-Type": "application/json"} | ({TRACEPARENT: traceparent} if traceparent else {})
        response = self._call("POST", self._listen_url, session=self._listener, data=body, headers=headers)
        if response.status_code == 200:
            return
        detail = f"{self._listen_url} answered {response.status_code}: {response.text[:300]}"
        raise NifiUnreachableError(detail) if _may_pass(response) else NifiRefusedError(detail)

    def _find_group(self) -> Mapping[str, Any]:
        groups = self._get("/process-groups/root/process-groups").get("processGroups", [])
        for group in groups:
            if self._group in (group.get("id"), group.get("component", {}).get("name")):
                return dict(group)
        names = ", ".join(sorted(str(group.get("component", {}).get("name")) for group in groups)) or "none"
        raise NifiNotReadyError(f"NiFi has no process group {self._group} (but: {names}): run 'csvpipe nifi deploy'")

    def _get(self, path: str) -> Mapping[str, Any]:
        if self._credentials and "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._fetch_token(*self._credentials)}"
        response = self._call("GET", self._api_url + path)
        if response.status_code != 200:
            detail = f"{self._api_url}{path} answered {response.status_code}: {response.text[:300]}"
            raise NifiLoginError(detail) if response.status_code in _LOGIN_REFUSED else NifiUnreachableError(detail)
        answer: Mapping[str, Any] = response.json()
        return answer

    def _fetch_token(self, username: str, password: str) -> str:
        response = self._call(
            "POST", f"{self._api_url}/access/token", data={"username": username, "password": password}
        )
        if response.status_code != 201:
            detail = f"NiFi gave no token to {username}: {response.status_code} {response.text[:300]}"
            raise NifiUnreachableError(detail) if _may_pass(response) else NifiLoginError(detail)
        return response.text

    def _call(self, method: str, url: str, *, session: Session | None = None, **request: Any) -> Response:  # noqa: ANN401 - those of requests
        import requests

        try:
            return (session or self._session).request(method, url, timeout=TIMEOUT_S, **request)
        except requests.RequestException as error:
            raise NifiUnreachableError(f"{method} {url}: {error}") from error


def _may_pass(response: Response) -> bool:
    return response.status_code >= 500 or response.status_code in TRANSIENT_STATUSES


def open_nifi(conn_id: str = CONN_NIFI) -> NifiClient:
    """Return the client that the connection describes.

    Raises:
        ConfigurationError: the connection lacks a host or the extra ``listen_url``.
    """
    from airflow.sdk import Connection

    return connect_nifi(Connection.get(conn_id))


def connect_nifi(connection: Connection) -> NifiClient:
    """Return the client for ``connection``.

    Raises:
        ConfigurationError: it lacks a host or the extra ``listen_url``.
    """
    extra = connection.extra_dejson
    if not connection.host or not extra.get("listen_url"):
        raise ConfigurationError(
            f"connection {connection.conn_id} needs a host and the extra listen_url (such as http://nifi:10000/csv-ingest)"
        )
    schema = connection.schema or "http"
    port = connection.port or (443 if schema == "https" else 8080)
    return NifiClient(
        api_url=f"{schema}://{connection.host}:{port}/nifi-api",
        listen_url=extra["listen_url"],
        process_group=extra.get("process_group") or NIFI_PROCESS_GROUP,
        credentials=(connection.login, connection.password or "") if connection.login else None,
        verify=extra.get("verify", True),
        cert=(extra["cert"], extra["key"]) if extra.get("cert") else None,
    )
