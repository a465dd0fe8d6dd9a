"""The uploader's HTTP interface, from the client's side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self, TypeVar

import httpcore
import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from contracts.api import (
    Key,
    KeyList,
    KeyOfCaller,
    KeyRotation,
    KeyWithSecret,
    NewKey,
    UploadAccepted,
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
from csvpipe.multipart import FormUpload, Readable
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

    def upload(
        self,
        *,
        file: Readable,
        filename: str,
        size_bytes: int | None,
        fields: Mapping[str, str],
        idempotency_key: str | None = None,
        on_sent: Callable[[int], None] = lambda _: None,
    ) -> UploadAccepted:
        """Send one CSV file and return the uploader's response.

        Raises:
            RefusedError: the file or a field is not accepted; the text says where and why.
            KeyRefusedError: there is no key, or it is not valid.
            PermissionMissingError: the key may not upload into this dataset.
            SlowDownError: the key has reached a limit of uploads.
            TemporaryFailureError: the uploader is busy or its disk is full.
            UnavailableError: it does not answer.
            SettingsError: its certificate is not trusted.
            ResponseLostError: the connection broke; whether the file was accepted is unknown.
            UploaderFailedError: it reported an internal failure; whether the file was accepted is unknown.
            CommandError: it received other bytes than were sent.
        """
        line = _Line()
        if self._http.base_url.scheme == "https":
            self._request("GET", "/health", extensions={"trace": line.trace_first})
        form = FormUpload(
            file=file, filename=filename, size_bytes=size_bytes, fields=fields, on_sent=on_sent, check_stop=line.check
        )
        headers = {"Content-Type": form.content_type}
        if form.content_length is not None:
            headers["Content-Length"] = str(form.content_length)
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        answer = self._request(
            "POST",
            "/upload/csv",
            content=iter(form),
            headers=headers,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=10.0),
            extensions={"trace": line.trace},
        )
        accepted = _parse(UploadAccepted, answer)
        if accepted.sha256 != form.sha256:
            raise CommandError(
                f"the uploader received other bytes: its SHA-256 is {accepted.sha256}, that of the sent bytes "
                f"{form.sha256}. Delete upload {accepted.upload_id} and send the file again",
                upload_id=accepted.upload_id,
            )
        return accepted

    def status(self, upload_id: str) -> UploadStatus:
        """Return the state of the upload and its chunks."""
        return _parse(UploadStatus, self.status_document(upload_id))

    def status_document(self, upload_id: str) -> httpx.Response:
        """Return the same response unparsed, for ``--json``."""
        return self._request("GET", f"/uploads/{upload_id}/status")

    def announce(self, upload_id: str) -> UploadStatus:
        """Announce what has not landed of an upload, and return its state afterwards."""
        return _parse(UploadStatus, self._request("POST", f"/uploads/{upload_id}/announce"))

    def manifest(self, upload_id: str) -> Manifest:
        """Return the uploader's manifest."""
        return _parse(Manifest, self._request("GET", f"/uploads/{upload_id}/manifest"))

    def first_rows(self, upload_id: str, *, limit: int) -> FirstRows:
        """Return the first rows of an upload, at most ``limit``."""
        return _parse(FirstRows, self._request("GET", f"/uploads/{upload_id}/rows", params={"limit": limit}))

    def readers(self, upload_id: str) -> Readers:
        """Return how other programs read the objects of an upload."""
        return _parse(Readers, self._request("GET", f"/uploads/{upload_id}/readers"))

    def list_uploads(self, parameters: Mapping[str, str | int]) -> UploadPage:
        """Return one page of uploads, the newest first."""
        return _parse(UploadPage, self._request("GET", "/uploads", params=dict(parameters)))

    def audit_page(self, parameters: Mapping[str, str | int]) -> AuditPage:
        """Return one page of audit records, the newest first."""
        return _parse(AuditPage, self._request("GET", "/audit", params=dict(parameters)))

    def audit_replicas(self) -> list[str]:
        """Return the replicas that have an audit chain."""
        return _parse(AuditChains, self._request("GET", "/audit/chains")).replicas

    def audit_chain(self, replica: str, *, after: int | None) -> AuditChainPage:
        """Return the next records of the chain of a replica, and its head."""
        parameters = {} if after is None else {"after": after}
        return _parse(AuditChainPage, self._request("GET", f"/audit/chains/{replica}", params=parameters))

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
        return _parse(KeyOfCaller, self._request("GET", "/own-key"))

    def create_key(self, wanted: NewKey) -> KeyWithSecret:
        """Create a key, or register the given one."""
        content = wanted.model_dump_json(exclude_none=True)
        return _parse(KeyWithSecret, self._request("POST", "/keys", content=content, headers=_JSON))

    def list_keys(self) -> KeyList:
        """Return all keys, the oldest first."""
        return _parse(KeyList, self._request("GET", "/keys"))

    def show_key(self, key_id: str) -> Key:
        """Return one key."""
        return _parse(Key, self._request("GET", f"/keys/{key_id}"))

    def revoke_key(self, key_id: str) -> Key:
        """Revoke a key for good."""
        return _parse(Key, self._request("DELETE", f"/keys/{key_id}"))

    def rotate_key(self, key_id: str, rotation: KeyRotation) -> KeyWithSecret:
        """Give a key a new secret."""
        content = rotation.model_dump_json()
        return _parse(KeyWithSecret, self._request("POST", f"/keys/{key_id}/rotate", content=content, headers=_JSON))

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx checks them
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


class _Line:
    """The connection of a request, to notice a response that arrives before the body was sent."""

    def __init__(self) -> None:
        self._stream: Any = None

    def trace_first(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the stream that httpcore opens for a request before that of the body (its ``trace`` extension).

        With TLS 1.3 a connection is readable after its handshake without an answer: the server sends session tickets.
        The answer of another request comes after them, so that what follows on the same connection is an answer.
        """
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the stream that httpcore opens for the request with the body, unless it is a new one with TLS."""
        if event.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
        elif event.endswith("start_tls.complete"):
            self._stream = None

    def check(self) -> None:
        """Stop sending if the uploader has answered already: with gigabytes to go, that answer is a refusal.

        httpcore takes a write error as the sign to stop sending and to read the answer that is there.
        """
        if self._stream is not None and self._stream.get_extra_info("is_readable"):
            raise httpcore.WriteError("answered before the end of the body")


def problem_of(answer: httpx.Response, *, key_origin: str = "") -> CsvPipeError:
    """Return the error of an error response; understands RFC 9457 problem documents.

    ``key_origin`` says where the key of the request comes from; it is empty for a request without one.
    """
    problem = _problem_in(answer)
    said = str(problem.get("detail") or answer.text[:500] or answer.reason_phrase).rstrip(". ")
    detail = f"{problem.get('title') or answer.reason_phrase}: {said}"
    places = {name: value for name, value in problem.items() if name not in _RESERVED and name.isidentifier()}
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


def _parse(model: type[_Model], answer: httpx.Response) -> _Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise CommandError(
            f"{answer.request.url} answered something that is not of version {version('csvpipe')}: "
            f"it differs in {counted(error.error_count(), 'field')}, first {error.errors()[0]['loc']}. "
            "Is CSVPIPE_URL an uploader's?"
        ) from error
