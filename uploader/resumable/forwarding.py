"""Requests for uploads whose bytes are on another replica, streamed through to it: no body is stored on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.resumable_upload import ResumableUpload
from uploader.errors import ReplicaUnavailableError
from uploader.http.replica_trust import replica_trust
from uploader.http.request_body import Body
from uploader.ingest.minimum_rate import MinimumRate
from uploader.runtime.blocking_pool import BlockingPool
from uploader.uploads.replicas import Replicas

if TYPE_CHECKING:
    import httpx

FORWARDED_BY = "CSVPipe-Forwarded-By"
"""Header with the name of the replica that forwards a request: no request is forwarded twice."""
_REQUEST_HEADERS = (
    "authorization",
    "x-api-key",
    "content-type",
    "content-length",
    "content-digest",
    "repr-digest",
    "traceparent",
    "tracestate",
)
_PASSED_PREFIXES = ("tus-", "upload-", "csvpipe-", "ratelimit", "idempotency-")
_RESPONSE_HEADERS = ("content-type", "location", "retry-after", "www-authenticate")
_PIECE_BYTES = 256 * 1024
_PIECES = 2
_CONNECT_S, _WRITE_S = 5.0, 60.0
_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class ForwardedResponse:
    """The response of the other replica; its body is empty or a problem document."""

    status: int
    headers: dict[str, str]
    content: bytes


class Forwarder:
    """Passes requests on to the replica that has the bytes, with the key of their client."""

    def __init__(
        self, *, replicas: Replicas, replica: ReplicaIdentity, threads: BlockingPool, ca_file: Path | None
    ) -> None:
        self._replicas = replicas
        self._replica = replica
        self._threads = threads
        self._ca_file = ca_file
        self._client: httpx.AsyncClient | None = None

    def is_elsewhere(self, upload: ResumableUpload) -> bool:
        """Return whether the bytes are on another replica."""
        return upload.replica != self._replica.name

    async def forward(
        self,
        upload: ResumableUpload,
        method: str,
        headers: Mapping[str, str],
        *,
        body: Body | None = None,
        rate: MinimumRate | None = None,
    ) -> ForwardedResponse:
        """Pass a request on, and return the response.

        Args:
            upload: the upload that it is for.
            method: of the request; ``POST`` creates it again.
            headers: of the request, names in lower case.
            body: of the request, if it has one.
            rate: the minimum rate of the client.

        Raises:
            ReplicaUnavailableError: the other replica does not answer.
            UploadStalledError: the client was too slow.
            UploadAbortedError: the client has disconnected; the other replica keeps what has arrived.
        """
        import httpx  # here alone: a single replica need not spend the memory

        if FORWARDED_BY.lower() in headers:
            raise ReplicaUnavailableError(
                f"{headers[FORWARDED_BY.lower()]} takes {self._replica.name} for {upload.replica}: the API_BASE_URL of "
                f"{upload.replica} leads to another replica",
                replica=upload.replica,
                retry_after_s=_RETRY_AFTER_S,
            )
        base_url = await self._threads.run(self._replicas.address_of, upload.replica)
        passed = {name: value for name, value in headers.items() if _is_passed(name)}
        passed[FORWARDED_BY] = self._replica.name
        path = "/files" if method == "POST" else f"/files/{upload.upload_id}"
        pump = None if body is None or rate is None else _Pump(body, rate)
        try:
            response = await self._http().request(
                method,
                f"{base_url}{path}",
                headers=passed,
                content=None if pump is None else pump.pieces(),
            )
        except httpx.TransportError as error:
            raise ReplicaUnavailableError(
                f"the bytes of this upload are on replica {upload.replica}, which does not answer ({error!r}); retry "
                f"after {_RETRY_AFTER_S} seconds",
                replica=upload.replica,
                retry_after_s=_RETRY_AFTER_S,
            ) from error
        finally:
            if pump is not None:
                await pump.stop()
        found = {name: value for name, value in response.headers.items() if _is_returned(name)}
        return ForwardedResponse(response.status_code, found, response.content)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _http(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                # No limit for the response: the file may be cut before it.
                timeout=httpx.Timeout(None, connect=_CONNECT_S, write=_WRITE_S),
                limits=httpx.Limits(max_connections=None),
                trust_env=False,
                verify=replica_trust(self._ca_file),
            )
        return self._client


class _Pump:
    """Reads a body at its client's rate, at most a few pieces ahead of the other replica."""

    def __init__(self, body: Body, rate: MinimumRate) -> None:
        self._body = body
        self._rate = rate
        self._queue: asyncio.Queue[bytes | BaseException] = asyncio.Queue(maxsize=_PIECES)
        self._task = asyncio.create_task(self._run())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body.

        Raises:
            CsvPipeError: its client was too slow, or has disconnected.
        """
        while piece := await self._queue.get():
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    async def stop(self) -> None:
        """Read no further."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        view = memoryview(bytearray(_PIECE_BYTES))
        try:
            async with self._rate.enforced():
                while size := await self._body.read_into(view, fill=False, on_bytes=self._rate.count):
                    with self._rate.paused():
                        await self._queue.put(bytes(view[:size]))
        except Exception as error:  # noqa: BLE001  raised by pieces
            await self._queue.put(error)
        else:
            await self._queue.put(b"")


def _is_passed(name: str) -> bool:
    return name in _REQUEST_HEADERS or name.startswith(_PASSED_PREFIXES)


def _is_returned(name: str) -> bool:
    return name in _RESPONSE_HEADERS or name.startswith(_PASSED_PREFIXES)
