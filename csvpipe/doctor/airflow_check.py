"""The check of Airflow: its parts are healthy, its version, and the pipeline's DAGs are there and not paused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from contracts.errors import CsvPipeError, SettingsError
from contracts.tls_faults import TlsPeer, trusting
from csvpipe.doctor.certificate import check_certificate
from csvpipe.doctor.clock import compare_clock
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.doctor.variables import ServiceVariables
from csvpipe.errors import UnavailableError
from csvpipe.local_stack import local_airflow
from csvpipe.service_address import is_loopback

CONNECTION = "AIRFLOW_CONN_AIRFLOW_API"
"""Variable with the connection that the DAGs use for the API."""
DAGS = ("csv-ingestion-listener", "csv-chunk-ingestion")
SUPPORTED_MAJOR = "3"
_PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


@dataclass(frozen=True, kw_only=True)
class AirflowAddress:
    """An Airflow, and who asks it. Without a user name, all who ask are administrators."""

    url: str
    username: str | None = None
    password: str = field(default="", repr=False)
    ca_file: str | None = None


def address_of(variables: ServiceVariables) -> AirflowAddress | None:
    """Return the Airflow of the local stack, or else of the connection in ``variables``; None if there is neither.

    Raises:
        SettingsError: it is not JSON, or names no host.
    """
    local = local_airflow()
    if local is not None:
        return AirflowAddress(url=local.url, username=local.username, password=local.password, ca_file=local.ca_file)
    if variables.airflow_conn_airflow_api is None:
        return None
    try:
        given = json.loads(variables.airflow_conn_airflow_api.get_secret_value())
        extra = given.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        url = f"{given.get('schema') or 'http'}://{given['host']}:{int(given.get('port') or 8080)}"
        return AirflowAddress(
            url=url,
            username=given.get("login") or None,
            password=given.get("password") or "",
            ca_file=extra.get("ca_file") or None,
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise SettingsError(f"{CONNECTION} must be a connection as JSON with a host") from error


def check_airflow(variables: ServiceVariables, *, timeout_s: float) -> Findings:
    """Give the health of Airflow and the state of the DAGs.

    Raises:
        CsvPipeError: it does not answer, or its certificate is not trusted.
    """
    address = address_of(variables)
    if address is None:
        yield Finding("settings", Verdict.SKIPPED, f"{CONNECTION} is not set, and no local stack runs")
        return
    verify = trusting(address.ca_file, setting="ca_file") if address.ca_file else True
    with httpx.Client(
        base_url=address.url, timeout=timeout_s, verify=verify, trust_env=not is_loopback(address.url)
    ) as client:
        answer = _get(client, "/api/v2/monitor/health")
        yield from compare_clock(answer.headers.get("Date"))
        yield from check_certificate(address.url, ca_file=address.ca_file, ca_setting="ca_file")
        if not answer.is_success:
            text = f"{answer.url} answers {answer.status_code} {answer.reason_phrase}"
            yield Finding("address", Verdict.FAILED, text, f"is it Airflow {SUPPORTED_MAJOR}?")
            return
        yield Finding("address", Verdict.OK, f"{address.url} answers")
        yield _version(_document(_get(client, "/api/v2/version")))
        yield from _health(_document(answer))
        yield from _dags(client, address)


def _version(document: dict[str, Any]) -> Finding:
    found = str(document.get("version") or "unknown")
    if found.partition(".")[0] == SUPPORTED_MAJOR:
        return Finding("version", Verdict.OK, f"Airflow {found}")
    return Finding("version", Verdict.FAILED, f"Airflow {found}", f"the DAGs need Airflow {SUPPORTED_MAJOR}")


def _health(document: dict[str, Any]) -> Findings:
    for name in _PARTS:
        part = document.get(name)
        state = part.get("status") if isinstance(part, dict) else None
        if state == "healthy":
            yield Finding(name, Verdict.OK, "healthy")
        else:
            yield Finding(name, Verdict.FAILED, str(state or "not running"), f"start it, or read the log of {name}")


def _dags(client: httpx.Client, address: AirflowAddress) -> Findings:
    if address.username:
        login = {"username": address.username, "password": address.password}
        answer = _get(client, "/auth/token", method="POST", json=login)
    else:
        answer = _get(client, "/auth/token")
    token = _document(answer).get("access_token")
    if not answer.is_success or not isinstance(token, str):
        who = f"the login of {address.username!r}" if address.username else "a request without a login"
        yield Finding("login", Verdict.FAILED, f"{who} gets {answer.status_code}", f"check {CONNECTION}")
        return
    for dag_id in DAGS:
        found = _get(client, f"/api/v2/dags/{dag_id}", headers={"Authorization": f"Bearer {token}"})
        yield _judge_dag(dag_id, found)


def _judge_dag(dag_id: str, answer: httpx.Response) -> Finding:
    if answer.status_code == httpx.codes.NOT_FOUND:
        return Finding(
            "DAG", Verdict.FAILED, f"{dag_id} is not there", "check the folder of the DAGs, and import errors"
        )
    if not answer.is_success:
        text = f"{dag_id}: {answer.status_code} {answer.reason_phrase}"
        return Finding("DAG", Verdict.FAILED, text, "the user needs the permission to read DAGs")
    document = _document(answer)
    if document.get("has_import_errors"):
        return Finding("DAG", Verdict.FAILED, f"{dag_id} has import errors", "open it in Airflow, which shows them")
    if document.get("is_paused"):
        return Finding("DAG", Verdict.WARNING, f"{dag_id} is paused", f"airflow dags unpause {dag_id}")
    return Finding("DAG", Verdict.OK, f"{dag_id} is active")


def _get(client: httpx.Client, path: str, *, method: str = "GET", **options: Any) -> httpx.Response:  # noqa: ANN401  httpx checks them
    try:
        return client.request(method, path, **options)
    except httpx.TransportError as error:
        raise _unreachable(str(client.base_url), error) from error


def _unreachable(url: str, error: httpx.TransportError) -> CsvPipeError:
    peer = TlsPeer(address=url, address_setting=CONNECTION, ca_setting=f"ca_file of {CONNECTION}")
    fault = peer.describe(error)
    if fault is not None:
        return SettingsError(fault)
    advice = "It may be busy: use a longer --timeout" if isinstance(error, httpx.TimeoutException) else "Does it run?"
    return UnavailableError(f"no answer from {url} ({type(error).__name__}: {error}). {advice}")


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
