"""Client of the uploader's HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from contracts.api import StateChange, UploadStatus
from contracts.faults import describe_invalid
from contracts.manifest import Manifest
from contracts.states import ChunkState, UploadState
from contracts.tls_faults import TlsPeer
from dags.modules.errors import StateRefusedError, UploadDeletedError, UploaderError, UploaderResponseError
from dags.modules.http_session import TIMEOUT_S, TRANSIENT_STATUSES
from dags.modules.settings import CONN_UPLOADER
from dags.modules.task_log import task_logger
from dags.modules.uploader_access import KEY_REFUSALS, WITHOUT_KEY, UploaderAccess, key_refused

if TYPE_CHECKING:
    from requests import Response

log = task_logger(__name__)

_DELETED_CODES = frozenset({"upload_not_found", "upload_gone"})
"""Error codes of the uploader. A 404 without a code can come from a proxy, such as an ingress without a backend."""

_TRANSIENT_STATUSES = TRANSIENT_STATUSES | {404, 421}
"""404 without an error code comes from a proxy. 421 is returned until every replica has registered its address."""


class UploaderClient:
    """Client for one upload. ``base_url`` is the uploader's address, checked against the allow-list.

    Every method can also raise :class:`UploaderKeyError`, which is an ``UploaderError``.
    """

    def __init__(self, *, base_url: str, upload_id: str, access: UploaderAccess = WITHOUT_KEY) -> None:
        self._base_url = base_url
        self._upload_id = upload_id
        self._session = access.open_session()

    def fetch_state(self) -> UploadState:
        """Return the state of the upload.

        Raises:
            UploadDeletedError: The upload was deleted.
            UploaderError: The uploader does not answer, or its response is invalid.
        """
        return self._fetch_status().state

    def fetch_relayed(self, since: datetime) -> set[int]:
        """Return the ids of the chunks in state ``relayed``, relayed at ``since`` (timezone-aware) or later.

        Raises:
            UploadDeletedError: The upload was deleted.
            UploaderError: The uploader does not answer, or its response is invalid.
        """
        return {
            chunk.chunk_id
            for chunk in self._fetch_status().chunks
            if chunk.state is ChunkState.RELAYED and chunk.relayed_at is not None and chunk.relayed_at >= since
        }

    def fetch_manifest(self) -> Manifest:
        """Return the upload's manifest.

        Raises:
            UploadDeletedError: The upload was deleted.
            UploaderError: The uploader does not answer, or its response is invalid.
        """
        response = self._call("GET", f"/uploads/{self._upload_id}/manifest")
        try:
            return Manifest.model_validate_json(response.content)
        except ValidationError as error:
            raise self._invalid("manifest", error) from error

    def report(
        self,
        chunk_id: int,
        state: ChunkState,
        *,
        evidence: Mapping[str, Any] | None = None,
        reason: str | None = None,
        published_at: str | None = None,
    ) -> None:
        """Report the state of a chunk. Reporting it again is not an error.

        ``published_at`` is the time of the message that failed. The uploader ignores the failure if it has announced
        the chunk again since.

        Raises:
            StateRefusedError: The uploader does not allow the state change, or rejected the evidence.
            UploadDeletedError: The upload was deleted.
            UploaderError: The uploader does not answer, or its response is invalid.
        """
        change = StateChange.model_validate(
            {"state": state, "evidence": evidence or {}, "reason": reason, "published_at": published_at}
        )
        self._call("PUT", f"/chunks/{self._upload_id}/{chunk_id}/state", json=change.model_dump(mode="json"))

    def report_relayed(self, chunk_id: int) -> None:
        """Report that NiFi has accepted a chunk. A chunk that has already landed keeps its state.

        Raises:
            UploaderError: As for :meth:`report`.
        """
        try:
            self.report(chunk_id, ChunkState.RELAYED)
        except StateRefusedError as error:
            if error.problem != "illegal_state_change":
                raise
            log.info(
                "Uploader kept the state of the chunk",
                extra={"upload_id": self._upload_id, "chunk_id": chunk_id, "error": error.detail},
            )

    def _fetch_status(self) -> UploadStatus:
        response = self._call("GET", f"/uploads/{self._upload_id}/status")
        try:
            return UploadStatus.model_validate_json(response.content)
        except ValidationError as error:
            raise self._invalid("status", error) from error

    def _invalid(self, what: str, error: ValidationError) -> UploaderResponseError:
        reason = describe_invalid(error, whole="the response")
        return UploaderResponseError(f"invalid {what} of upload {self._upload_id} from {self._base_url}: {reason}")

    def _call(self, method: str, path: str, *, json: Mapping[str, Any] | None = None) -> Response:
        import requests

        try:
            response = self._session.request(method, self._base_url + path, json=json, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            peer = TlsPeer(
                address=self._base_url,
                address_setting="api_endpoint of the message (API_BASE_URL of the uploader)",
                ca_setting=f"ca_file of connection {CONN_UPLOADER}",
            )
            raise UploaderError(f"{method} {self._base_url}{path} failed: {peer.describe(error) or error}") from error
        if response.status_code == 200:
            return response
        if response.status_code in KEY_REFUSALS:
            raise key_refused(response)
        detail = f"{method} {self._base_url}{path} returned {response.status_code}: {response.text[:500]}"
        problem = _problem_code(response)
        if problem in _DELETED_CODES:
            raise UploadDeletedError(detail)
        if response.status_code == 409:
            raise StateRefusedError(detail, problem=problem)
        if response.status_code >= 500 or response.status_code in _TRANSIENT_STATUSES:
            raise UploaderError(detail)
        raise UploaderResponseError(detail)


def _problem_code(response: Response) -> str:
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""
