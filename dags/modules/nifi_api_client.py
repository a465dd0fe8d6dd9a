"""Client of a NiFi process group: health from the REST API, messages to ListenHTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from contracts.names import NIFI_PROCESS_GROUP
from contracts.tls_faults import TlsPeer
from contracts.traceparent import TRACEPARENT
from dags.modules.errors import (
    ConfigurationError,
    NiFiLoginError,
    NiFiNotReadyError,
    NiFiRefusedError,
    NiFiUnreachableError,
)
from dags.modules.http_session import TIMEOUT_S, TRANSIENT_STATUSES, open_session
from dags.modules.settings import CONN_NIFI
from dags.modules.task_log import task_logger

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from requests import Response, Session

log = task_logger(__name__)

_LOGIN_REFUSED = frozenset({401, 403})
BUSY_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Waits between attempts to send a message. 503 is back pressure, not a failure, and a ListenHTTP that was just started
takes seconds to open its port. A message that is sent twice lands as one object."""


class NiFiClient:
    """A process group of a NiFi."""

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
        """Check that the group is running and that none of its components is stopped or invalid.

        Raises:
            NiFiUnreachableError: The API does not answer.
            NiFiLoginError: The API rejected the credentials.
            NiFiNotReadyError: The group is missing or stopped, or one of its components is stopped or invalid.
        """
        group = self._find_group()
        counts = {name: int(group.get(f"{name}Count", 0)) for name in ("running", "stopped", "invalid")}
        log.info("NiFi process group checked", extra={"process_group": self._group, **counts})
        if counts["invalid"] or counts["stopped"] or not counts["running"]:
            raise NiFiNotReadyError(
                f"process group {self._group} has {counts['running']} components running, {counts['stopped']} stopped, "
                f"{counts['invalid']} invalid. 'csvpipe nifi status' lists them, 'csvpipe nifi deploy' starts them"
            )

    def send(self, body: bytes, *, traceparent: str | None = None) -> None:
        """POST one message to the group's ListenHTTP, which answers as soon as the message is in its queue.

        The flow turns the header ``traceparent`` into an attribute and sends it when it fetches the chunk.

        Raises:
            NiFiUnreachableError: For half a minute there was no answer, or 5xx.
            NiFiRefusedError: ListenHTTP rejected the message.
        """
        for wait_s in (*BUSY_WAITS_S, None):
            try:
                self._post(body, traceparent)
            except NiFiUnreachableError:
                if wait_s is None:
                    raise
            else:
                return
            # After a restart, ListenHTTP answers 500 ("Throttler shutdown") on its old connections.
            self._listener.close()
            self._sleep(wait_s)

    def _post(self, body: bytes, traceparent: str | None) -> None:
        headers = {"Content-Type": "application/json"} | ({TRACEPARENT: traceparent} if traceparent else {})
        response = self._call("POST", self._listen_url, session=self._listener, data=body, headers=headers)
        if response.status_code == 200:
            return
        detail = f"POST {self._listen_url} returned {response.status_code}: {response.text[:300]}"
        raise NiFiUnreachableError(detail) if _is_transient(response) else NiFiRefusedError(detail)

    def _find_group(self) -> Mapping[str, Any]:
        groups = self._get("/process-groups/root/process-groups").get("processGroups", [])
        for group in groups:
            if self._group in (group.get("id"), group.get("component", {}).get("name")):
                return dict(group)
        names = ", ".join(sorted(str(group.get("component", {}).get("name")) for group in groups)) or "none"
        raise NiFiNotReadyError(
            f"NiFi has no process group {self._group} (found: {names}). Deploy it with 'csvpipe nifi deploy'"
        )

    def _get(self, path: str) -> Mapping[str, Any]:
        if self._credentials and "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._fetch_token(*self._credentials)}"
        response = self._call("GET", self._api_url + path)
        if response.status_code != 200:
            detail = f"GET {self._api_url}{path} returned {response.status_code}: {response.text[:300]}"
            raise NiFiLoginError(detail) if response.status_code in _LOGIN_REFUSED else NiFiUnreachableError(detail)
        body: Mapping[str, Any] = response.json()
        return body

    def _fetch_token(self, username: str, password: str) -> str:
        response = self._call(
            "POST", f"{self._api_url}/access/token", data={"username": username, "password": password}
        )
        if response.status_code != 201:
            detail = (
                f"login and password of connection {CONN_NIFI}: NiFi issued no token to {username}: "
                f"{response.status_code} {response.text[:300]}"
            )
            raise NiFiUnreachableError(detail) if _is_transient(response) else NiFiLoginError(detail)
        return response.text

    def _call(self, method: str, url: str, *, session: Session | None = None, **request: Any) -> Response:  # noqa: ANN401 - those of requests
        import requests

        try:
            return (session or self._session).request(method, url, timeout=TIMEOUT_S, **request)
        except requests.RequestException as error:
            peer = TlsPeer(
                address=url,
                address_setting=f"host or listen_url of connection {CONN_NIFI}",
                ca_setting=f"verify of connection {CONN_NIFI}",
            )
            fault = peer.describe(error)
            raise NiFiUnreachableError(f"{method} {url} failed: {fault or error}") from error


def _is_transient(response: Response) -> bool:
    return response.status_code >= 500 or response.status_code in TRANSIENT_STATUSES


def open_nifi(conn_id: str = CONN_NIFI) -> NiFiClient:
    """Return the client for the connection ``conn_id``.

    Raises:
        ConfigurationError: The connection lacks a host or the extra ``listen_url``.
    """
    from airflow.sdk import Connection

    return connect_nifi(Connection.get(conn_id))


def connect_nifi(connection: Connection) -> NiFiClient:
    """Return the client for ``connection``.

    Raises:
        ConfigurationError: The connection lacks a host or the extra ``listen_url``.
    """
    extra = connection.extra_dejson
    if not connection.host or not extra.get("listen_url"):
        raise ConfigurationError(
            f"connection {connection.conn_id} needs a host and the extra listen_url (for example http://nifi:10000/csv-ingest)"
        )
    schema = connection.schema or "http"
    port = connection.port or (443 if schema == "https" else 8080)
    return NiFiClient(
        api_url=f"{schema}://{connection.host}:{port}/nifi-api",
        listen_url=extra["listen_url"],
        process_group=extra.get("process_group") or NIFI_PROCESS_GROUP,
        credentials=(connection.login, connection.password or "") if connection.login else None,
        verify=extra.get("verify", True),
        cert=(extra["cert"], extra["key"]) if extra.get("cert") else None,
    )
