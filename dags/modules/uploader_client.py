"""The uploader's HTTP interface, as far as the DAGs use it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from contracts.manifest import Manifest
from contracts.states import ChunkState, UploadState
from dags.modules.errors import StateRefusedError, UploaderAnswerError, UploaderError, UploadGoneError
from dags.modules.http_session import TIMEOUT_S, TRANSIENT_STATUSES, open_session

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

T = TypeVar("T")

_GONE = frozenset({"upload_not_found", "upload_gone"})
"""Codes of the uploader. A bare 404 may come from whatever stands before it: an ingress without its backend, say."""

_MAY_PASS = TRANSIENT_STATUSES | {404, 421}
"""404 without a code of the uploader comes from what is before it; 421 until every replica has its address."""


class UploaderClient:
    """One upload at the uploader whose address (checked against the allow-list) is ``base_url``."""

    def __init__(self, *, base_url: str, upload_id: str) -> None:
        self._base_url = base_url
        self._upload_id = upload_id
        self._session = open_session()

    def fetch_state(self) -> UploadState:
        """Return where the upload stands.

        Raises:
            UploadGoneError: it was deleted.
            UploaderError: no answer, or not as agreed.
        """
        return self._fetch_status(lambda body: UploadState(body["state"]))

    def fetch_relayed(self, since: datetime) -> set[int]:
        """Return the ids of the chunks that are on their way, relayed at ``since`` (aware) or later.

        Raises:
            UploadGoneError: it was deleted.
            UploaderError: no answer, or not as agreed.
        """
        return self._fetch_status(
            lambda body: {
                chunk["chunk_id"]
                for chunk in body["chunks"]
                if chunk["state"] == ChunkState.RELAYED and datetime.fromisoformat(chunk["relayed_at"]) >= since
            }
        )

    def fetch_manifest(self) -> Manifest:
        """Return the upload's manifest.

        Raises:
            UploadGoneError: it was deleted.
            UploaderError: no answer, or not as agreed.
        """
        response = self._call("GET", f"/uploads/{self._upload_id}/manifest")
        try:
            return Manifest.model_validate_json(response.content)
        except ValueError as error:
            raise UploaderAnswerError(
                f"{self._base_url} answers the manifest of {self._upload_id} in an unknown form: {error}"
            ) from error

    def report(
        self,
        chunk_id: int,
        state: ChunkState,
        *,
        evidence: Mapping[str, Any] | None = None,
        reason: str | None = None,
        published_at: str | None = None,
    ) -> None:
        """Tell the uploader where a chunk stands; telling it again is no error.

        ``published_at`` is of the message that was given up: a failure is passed over when there is a newer one.

        Raises:
            StateRefusedError: its table of states, or its check of the evidence, says no.
            UploadGoneError: the upload was deleted.
            UploaderError: no answer, or not as agreed.
        """
        body = {
            "state": state.value,
            "evidence": dict(evidence or {}),
            "reason": reason,
            "published_at": published_at,
        }
        self._call("PUT", f"/chunks/{self._upload_id}/{chunk_id}/state", json=body)

    def report_relayed(self, chunk_id: int) -> None:
        """Report that NiFi has accepted a chunk; one that counts as landed already stays so.

        Raises:
            UploaderError: as :meth:`report`.
        """
        try:
            self.report(chunk_id, ChunkState.RELAYED)
        except StateRefusedError as error:
            if error.problem != "illegal_state_change":
                raise
            log.info("chunk %d: relayed is no news to the uploader (%s)", chunk_id, error)

    def _fetch_status(self, read: Callable[[dict[str, Any]], T]) -> T:
        response = self._call("GET", f"/uploads/{self._upload_id}/status")
        try:
            return read(response.json())
        except (KeyError, TypeError, ValueError) as error:
            raise UploaderAnswerError(
                f"{self._base_url} answers the status of {self._upload_id} in an unknown form: {error!r}"
            ) from error

    def _call(self, method: str, path: str, *, json: Mapping[str, Any] | None = None) -> Response:
        import requests

        try:
            response = self._session.request(
                method, self._base_url + path, json=json, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise UploaderError(f"{method} {self._base_url}{path}: {error}") from error
        if response.status_code == 200:
            return response
        detail = f"{method} {self._base_url}{path} answered {response.status_code}: {response.text[:500]}"
        problem = _problem_code(response)
        if problem in _GONE:
            raise UploadGoneError(detail)
        if response.status_code == 409:
            raise StateRefusedError(detail, problem=problem)
        if response.status_code >= 500 or response.status_code in _MAY_PASS:
            raise UploaderError(detail)
        raise UploaderAnswerError(detail)


def _problem_code(response: Response) -> str:
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""
