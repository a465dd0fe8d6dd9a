"""Resumable uploads at ``/files``: the requests of tus 1.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError
from csvpipe.client import ANSWER_TIMEOUT_S, UploaderClient, parse_answer
from csvpipe.errors import CommandError, RefusedError
from csvpipe.upload.early_answer import EarlyAnswer

_TUS = {"Tus-Resumable": "1.0.0"}
_BYTES = {"Content-Type": "application/offset+octet-stream"}
_CONNECT_S, _WRITE_S = 10.0, 120.0
_FIND_S = 120.0
"""A request for the offset may finish the upload, too, and waits for an older request that does."""
UNFINISHED = "resumable_upload_unfinished"
"""Code of the response to a question for the result of an upload that has none yet."""


@dataclass(frozen=True)
class Received:
    """What the uploader has: ``offset`` bytes, durably, or the whole file as an upload."""

    offset: int
    is_accepted: bool


@dataclass(frozen=True)
class Created:
    """An upload at the uploader, and what that has of it: something if an earlier attempt has created it."""

    resumable_id: str
    received: Received


class TusUploads:
    """The resumable uploads of one uploader. Every method raises as :class:`UploaderClient` does."""

    def __init__(self, client: UploaderClient) -> None:
        self._client = client
        self.early_answer = EarlyAnswer()

    def create(self, *, metadata: Mapping[str, str], size_bytes: int | None, idempotency_key: str) -> Created:
        """Create an upload, or return the unfinished one that an earlier attempt with the same key has created.

        Args:
            metadata: the fields of ``POST /upload/csv``, and ``filename``.
            size_bytes: of the whole file; None if it is not known yet.
            idempotency_key: the same one for every attempt to send this file.
        """
        size = {"Upload-Defer-Length": "1"} if size_bytes is None else {"Upload-Length": str(size_bytes)}
        told = {"Upload-Metadata": _metadata(metadata), "Idempotency-Key": idempotency_key}
        answer = self._send("POST", "/files", headers={**_TUS, **size, **told})
        location = answer.headers.get("Location", "")
        if answer.status_code != 201 or not location:
            raise CommandError(
                f"{answer.request.url} answered {answer.status_code} without a Location. Is CSVPIPE_URL an uploader's?"
            )
        # Only the last part: a proxy may have moved the rest, and the key is for our address alone.
        return Created(httpx.URL(location).path.rstrip("/").rpartition("/")[2], _received(answer))

    def find(self, resumable_id: str) -> Received:
        """Return what the uploader has of an upload. It ends a request that is still sending to it."""
        try:
            return _received(self._send("HEAD", f"/files/{resumable_id}", headers=_TUS, timeout_s=_FIND_S))
        except RefusedError as refusal:
            raise self._reason(resumable_id) or refusal from None

    def append(
        self,
        resumable_id: str,
        blocks: Iterable[bytes],
        *,
        offset: int,
        size_bytes: int,
        total_bytes: int | None = None,
    ) -> Received:
        """Send the ``size_bytes`` bytes of ``blocks``, which follow ``offset``, in one request.

        ``total_bytes`` is the size of the whole file if the upload was created without it, and it is known now.
        """
        headers = {**_TUS, **_BYTES, "Upload-Offset": str(offset), "Content-Length": str(size_bytes)}
        if total_bytes is not None:
            headers["Upload-Length"] = str(total_bytes)
        answer = self._client.request(
            "PATCH",
            f"/files/{resumable_id}",
            content=iter(blocks),
            headers=headers,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=_CONNECT_S, write=_WRITE_S),
            extensions={"trace": self.early_answer.trace_long},
        )
        return _received(answer)

    def result(self, resumable_id: str) -> UploadAccepted:
        """Return what a finished upload has become."""
        return parse_answer(UploadAccepted, self._send("GET", f"/files/{resumable_id}"))

    def remove(self, resumable_id: str) -> None:
        """Remove what the uploader has, if it answers; otherwise it expires there."""
        with suppress(CsvPipeError):
            self._send("DELETE", f"/files/{resumable_id}", headers=_TUS)

    def _reason(self, resumable_id: str) -> RefusedError | None:
        """Return why the uploader refuses to go on with an upload: a response to HEAD has no body."""
        try:
            self.result(resumable_id)
        except RefusedError as reason:
            return None if reason.extra.get("problem") == UNFINISHED else reason
        return None

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0
    ) -> httpx.Response:
        return self._client.request(
            method,
            path,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
            extensions={"trace": self.early_answer.trace_short},
        )


def _metadata(fields: Mapping[str, str]) -> str:
    return ",".join(f"{name} {b64encode(_utf8(value)).decode()}" for name, value in fields.items())


def _utf8(text: str) -> bytes:
    """Return ``text`` as UTF-8, which tus demands; bytes of an argument that are not become ``�``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def _received(answer: httpx.Response) -> Received:
    text = answer.headers.get("Upload-Offset", "")
    if not text.isdecimal():
        raise CommandError(f"{answer.request.url} answered without Upload-Offset. Is CSVPIPE_URL an uploader's?")
    return Received(int(text), is_accepted="CSVPipe-Upload" in answer.headers)
