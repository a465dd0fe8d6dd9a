"""The check of the uploader: alive, of this version, ready, and the key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import httpx

from contracts.api import KeyOfCaller
from csvpipe.client import UploaderClient
from csvpipe.doctor.certificate import check_certificate
from csvpipe.doctor.clock import compare_clock
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.settings import ClientSettings

_PARTS = {
    "kafka": "Kafka of the uploader",
    "manifest": "database of the uploader",
    "disk": "disk of the uploader",
}
_ADVICE = {
    "kafka": "check KAFKA_BROKER and KAFKA_SECURITY of the uploader; uploads are accepted, and announced later",
    "manifest": "check DATABASE_URL of the uploader, and its database",
    "disk": "free or enlarge the disk of TEMP_DIR; uploads are refused until then",
}
_KEY_NOTICE = timedelta(days=14)


def check_uploader(settings: ClientSettings, connect: Callable[[ClientSettings], UploaderClient]) -> Findings:
    """Give what the uploader says about itself and about the key.

    Raises:
        CsvPipeError: it does not answer, its certificate is not trusted, or it refuses the key.
    """
    with connect(settings) as client:
        answer = client.look("/health")
        yield _alive(client.base_url, answer)
        yield from compare_clock(answer.headers.get("Date"))
        yield from check_certificate(client.base_url, ca_file=settings.csvpipe_ca_file, ca_setting="CSVPIPE_CA_FILE")
        if not answer.is_success:
            return
        yield _version(client.look("/openapi.json"))
        yield from _ready(client.look("/ready"))
        yield _key(client.own_key())


def _alive(url: str, answer: httpx.Response) -> Finding:
    if answer.is_success:
        return Finding("address", Verdict.OK, f"{url} answers")
    text = f"{url}/health answers {answer.status_code} {answer.reason_phrase}"
    return Finding("address", Verdict.FAILED, text, "is CSVPIPE_URL an uploader's? If so, restart it")


def _version(answer: httpx.Response) -> Finding:
    ours, theirs = version("csvpipe"), _member(_member(_document(answer), "info"), "version")
    if not isinstance(theirs, str):
        return Finding("version", Verdict.WARNING, f"{answer.url} names no version", "is CSVPIPE_URL an uploader's?")
    if theirs == ours:
        return Finding("version", Verdict.OK, f"{ours}, as csvpipe here")
    text = f"the uploader is {theirs}, csvpipe here is {ours}"
    return Finding("version", Verdict.WARNING, text, "install the same version of both")


def _ready(answer: httpx.Response) -> Findings:
    document = _document(answer)
    for name, subject in _PARTS.items():
        part = _member(document, name)
        if _member(part, "ok") is True:
            yield Finding(subject, Verdict.OK, "available")
        else:
            why = _member(part, "why") or f"/ready answers {answer.status_code} without it"
            yield Finding(subject, Verdict.FAILED, str(why), _ADVICE[name])


def _key(own: KeyOfCaller) -> Finding:
    text = f"{own.name}: {', '.join(own.permissions)}; datasets {', '.join(own.datasets)}"
    if own.expires_at is not None and own.expires_at - datetime.now(UTC) < _KEY_NOTICE:
        advice = f"ask an administrator for a new one: csvpipe keys create (it expires {own.expires_at:%Y-%m-%d})"
        return Finding("key", Verdict.WARNING, text, advice)
    return Finding("key", Verdict.OK, text)


def _document(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def _member(document: object, name: str) -> Any:  # noqa: ANN401  any JSON value
    return document.get(name) if isinstance(document, dict) else None
