"""The uploader's HTTP interface, from the client's side."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from contracts.api import (
    Key,
    KeyList,
    KeyOfCaller,
    KeyRotation,
    KeyWithSecret,
    NewKey,
    UploadPage,
    UploadStatus,
)
from contracts.audit import AuditChainPage, AuditChains, AuditPage
from contracts.errors import CsvPipeError, SettingsError, TemporaryFailureError
from contracts.manifest import Manifest
from contracts.number_text import counted
from contracts.reading import FirstRows, Readers
from contracts.tls_faults import TlsPeer, trusting
from csvpipe.bearer_auth import BearerAuth
from csvpipe.errors import (
    CommandError,
    KeyRefusedError,
    PermissionMissingError,
    RefusedError,
    ResponseLostError,
    SlowDownError,
    UnavailableError,
    UploaderFailedError,
)
from csvpipe.option_names import in_options
from csvpipe.service_address import check_address, is_loopback

ANSWER_TIMEOUT_S = 900.0
"""Maximum time for the response after the last byte: chunk type ``count`` cuts then, and fsync of gigabytes is slow."""

_CA_SETTING = "CSVPIPE_CA_FILE"
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "self", "wait_s"})
"""Members of a problem document that are not places: those of RFC 9457, our code, and parameters of our errors."""
_JSON = {"Content-Type": "application/json"}
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
_LATER = frozenset({408, 429, 502, 503, 504, 507})
"""Statuses that may differ if the same request is repeated."""
_Model = TypeVar("_Model", bound=BaseModel)


class UploaderClient:
    """Talks to one uploader. Every method raises a :class:`CsvPipeError` that says what to do."""

    def __init__(
        self,
        base_url: str,
        *,
        key: SecretStr | None = None,
        key_origin: str = "",
        ca_file: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: address of the uploader.
            key: sent with every request.
            key_origin: where the key comes from, such as ``CSVPIPE_KEY``, for errors.
            ca_file: PEM file of certificates to trust instead of the public ones.
            transport: for tests.

        Raises:
            SettingsError: ``base_url`` is not an address, or has a user name; or ``ca_file`` cannot be used.
        """
        self.base_url = check_address(base_url).rstrip("/")
        self._key_origin = key_origin if key is not None else ""
        self._http = httpx.Client(
            base_url=self.base_url,
            auth=None if key is None else BearerAuth(key, origin=key_origin),
            timeout=httpx.Timeout(30.0, connect=10.0),
            transport=transport,
            trust_env=not is_loopback(base_url),
            verify=trusting(ca_file, setting=_CA_SETTING) if ca_file else True,
        )

    def __enter__(self) -> Self:
        """Return the client; its connections are closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connections."""
        self._http.close()

    def status(self, upload_id: str) -> UploadStatus:
        """Return the state of the upload and its chunks."""
        return parse_answer(UploadStatus, self.status_document(upload_id))

    def status_document(self, upload_id: str) -> httpx.Response:
        """Return the same response unparsed, for ``--json``."""
        return self.request("GET", f"/uploads/{upload_id}/status")

    def announce(self, upload_id: str) -> UploadStatus:
        """Announce what has not landed of an upload, and return its state afterwards."""
        return parse_answer(UploadStatus, self.request("POST", f"/uploads/{upload_id}/announce"))

    def manifest(self, upload_id: str) -> Manifest:
        """Return the uploader's manifest."""
        return parse_answer(Manifest, self.request("GET", f"/uploads/{upload_id}/manifest"))

    def first_rows(self, upload_id: str, *, limit: int) -> FirstRows:
        """Return the first rows of an upload, at most ``limit``."""
        return parse_answer(FirstRows, self.request("GET", f"/uploads/{upload_id}/rows", params={"limit": limit}))

    def readers(self, upload_id: str) -> Readers:
        """Return how other programs read the objects of an upload."""
        return parse_answer(Readers, self.request("GET", f"/uploads/{upload_id}/readers"))

    def list_uploads(self, parameters: Mapping[str, str | int]) -> UploadPage:
        """Return one page of uploads, the newest first."""
        return parse_answer(UploadPage, self.request("GET", "/uploads", params=dict(parameters)))

    def audit_page(self, parameters: Mapping[str, str | int]) -> AuditPage:
        """Return one page of audit records, the newest first."""
        return parse_answer(AuditPage, self.request("GET", "/audit", params=dict(parameters)))

    def audit_replicas(self) -> list[str]:
        """Return the replicas that have an audit chain."""
        return parse_answer(AuditChains, self.request("GET", "/audit/chains")).replicas

    def audit_chain(self, replica: str, *, after: int | None) -> AuditChainPage:
        """Return the next records of the chain of a replica, and its head."""
        parameters = {} if after is None else {"after": after}
        return parse_answer(AuditChainPage, self.request("GET", f"/audit/chains/{replica}", params=parameters))

    def look(self, path: str) -> httpx.Response:
        """Return the response to GET ``path``, also if it is an error.

        Raises:
            UnavailableError: the uploader does not answer.
            SettingsError: its certificate is not trusted.
        """
        return self._send("GET", path)

    def own_key(self) -> KeyOfCaller:
        """Return what the uploader knows about the key of this client.

        Raises:
            KeyRefusedError: there is no key, or it is not valid.
        """
        return parse_answer(KeyOfCaller, self.request("GET", "/own-key"))

    def create_key(self, wanted: NewKey) -> KeyWithSecret:
        """Create a key, or register the given one."""
        content = wanted.model_dump_json(exclude_none=True)
        return parse_answer(KeyWithSecret, self.request("POST", "/keys", content=content, headers=_JSON))

    def list_keys(self) -> KeyList:
        """Return all keys, the oldest first."""
        return parse_answer(KeyList, self.request("GET", "/keys"))

    def show_key(self, key_id: str) -> Key:
        """Return one key."""
        return parse_answer(Key, self.request("GET", f"/keys/{key_id}"))

    def revoke_key(self, key_id: str) -> Key:
        """Revoke a key for good."""
        return parse_answer(Key, self.request("DELETE", f"/keys/{key_id}"))

    def rotate_key(self, key_id: str, rotation: KeyRotation) -> KeyWithSecret:
        """Give a key a new secret."""
        content = rotation.model_dump_json()
        return parse_answer(
            KeyWithSecret, self.request("POST", f"/keys/{key_id}/rotate", content=content, headers=_JSON)
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx checks them
        """Return the response to a request, with the options of ``httpx.Client.request``.

        Raises:
            RefusedError: the request is not accepted; the text says where and why.
            KeyRefusedError: there is no key, or it is not valid.
            PermissionMissingError: the key does not permit it.
            SlowDownError: the key has reached a limit.
            TemporaryFailureError: the uploader is busy or its disk is full.
            UnavailableError: it does not answer.
            SettingsError: its certificate is not trusted.
            ResponseLostError: the connection broke; whether the request was processed is unknown.
            UploaderFailedError: it reported an internal failure; whether the request was processed is unknown.
        """
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise problem_of(answer, key_origin=self._key_origin)
        return answer

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  as above
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            peer = TlsPeer(address=self.base_url, address_setting="CSVPIPE_URL", ca_setting=_CA_SETTING)
            fault = peer.describe(error)
            if fault is not None:
                raise SettingsError(fault) from error
            kind = UnavailableError if isinstance(error, _NOTHING_SENT) else ResponseLostError
            raise kind(
                f"no answer from {self.base_url} ({type(error).__name__}: {error}). Is the uploader running, and is "
                "CSVPIPE_URL (or --url) its address?"
            ) from error


def problem_of(answer: httpx.Response, *, key_origin: str = "") -> CsvPipeError:
    """Return the error of an error response; understands RFC 9457 problem documents.

    ``key_origin`` says where the key of the request comes from; it is empty for a request without one.
    """
    problem = _problem_in(answer)
    if isinstance(problem.get("problem"), dict):  # a resumable upload that was refused before says why once more
        problem = problem["problem"]
    said = str(problem.get("detail") or answer.text[:500] or answer.reason_phrase).rstrip(". ")
    detail = in_options(f"{problem.get('title') or answer.reason_phrase}: {said}")
    places = {name: value for name, value in problem.items() if name not in _RESERVED and name.isidentifier()}
    if isinstance(hint := places.get("hint"), str):
        places["hint"] = in_options(hint)
    places = {"problem": problem.get("code") or f"http_{answer.status_code}", **places}
    match answer.status_code:
        case 401:
            return KeyRefusedError(f"{detail}. {_how_to_give_a_key(answer.request.url, key_origin)}", **places)
        case 403:
            used = f"The key comes from {key_origin}" if key_origin else "The request had no key"
            return PermissionMissingError(f"{detail}. {used}; ask an administrator for one that permits this", **places)
        case status if status in _LATER:
            wait_s = _retry_after_s(answer)
            text = f"{detail}. Try again {'later' if wait_s is None else f'in {wait_s:.0f} s'}"
            return (
                SlowDownError(text, wait_s=wait_s, **places) if status == 429 else TemporaryFailureError(text, **places)
            )
        case status if status < 500:
            return RefusedError(detail, **places)
    return UploaderFailedError(f"the uploader failed: {detail}. Its log has the reason", **places)


def _problem_in(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document of a response, or an empty one: it may come from anything at that address."""
    try:
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") else None
    except (ValueError, RecursionError):  # not JSON, not text, or nested too deeply
        body = None
    return body if isinstance(body, dict) else {}


def _how_to_give_a_key(url: httpx.URL, key_origin: str) -> str:
    if key_origin:
        return f"The key comes from {key_origin}; it is unknown, revoked or expired at {url.host}. Ask for a new one"
    return "Set CSVPIPE_KEY or CSVPIPE_KEY_FILE, or store the key with: csvpipe login"


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds of the Retry-After header; None without one, or if it is a date."""
    text = answer.headers.get("Retry-After", "").strip()
    return float(text) if text.isdecimal() and len(text) < 10 else None


def parse_answer(model: type[_Model], answer: httpx.Response) -> _Model:
    """Return the body of a response as ``model``.

    Raises:
        CommandError: it is not one.
    """
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        first = ".".join(map(str, error.errors()[0]["loc"]))
        differs = f"it differs in {counted(error.error_count(), 'field')}, first {first}" if first else "it is not JSON"
        raise CommandError(
            f"{answer.request.url} did not answer as an uploader of version {version('csvpipe')} does: {differs}. "
            "Is CSVPIPE_URL (or --url) the address of an uploader?"
        ) from error
