"""``/chunks``: the content and the state of a chunk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from contracts.api import ChunkStatus, StateChange
from contracts.digests import CONTENT_DIGEST, REPR_DIGEST, digest_field
from contracts.names import HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES
from contracts.permissions import Permission
from uploader.access.errors import AddressExpiredError, InvalidSignatureError
from uploader.access.principal import EVERYBODY
from uploader.api.actors import ActorDep
from uploader.api.chunk_response import ChunkResponse
from uploader.api.guards import ANYONE, Guard, PrincipalDep
from uploader.api.path_parameters import ChunkIdPath, SignaturePath, UploadIdPath
from uploader.api.problems import problem_responses
from uploader.api.range_requests import find_range, is_unchanged
from uploader.api.runtime import RuntimeDep
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ChunkGoneError,
    ChunkNotFoundError,
    ChunkOnOtherReplicaError,
    ChunkRedirectedError,
    EvidenceMismatchError,
    RangeNotSatisfiableError,
    ReplicaUnavailableError,
    TooManyOpenFilesError,
    UploadGoneError,
    UploadNotFoundError,
)
from uploader.settings import REPLICA_NAME

router = APIRouter(prefix="/chunks/{upload_id}/{chunk_id}", tags=["chunks"])
_READ = [Depends(Guard(Permission.READ))]
_HOLDER = [Depends(ANYONE)]
"""The signature in the address is the permission."""
_GONE = (UploadNotFoundError, ChunkNotFoundError, UploadGoneError, ChunkGoneError)
_ON_OTHER_REPLICA = (ChunkRedirectedError, ChunkOnOtherReplicaError, ReplicaUnavailableError)
_HEADERS: dict[str, Any] = {
    HEADER_OBJECT_KEY: {"description": "Key of the chunk's object in the bucket", "schema": {"type": "string"}},
    HEADER_SHA256: {
        "description": "SHA-256 of the whole chunk file",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    HEADER_SIZE_BYTES: {
        "description": "Size of the whole chunk file in bytes",
        "schema": {"type": "integer", "minimum": 0},
    },
}
_DIGESTS: dict[str, Any] = {
    REPR_DIGEST: {"description": "SHA-256 of the whole chunk file (RFC 9530)", "schema": {"type": "string"}},
    CONTENT_DIGEST: {"description": "The same, in responses with the whole file", "schema": {"type": "string"}},
}
_RedirectedBy = Annotated[
    str | None,
    Query(
        pattern=REPLICA_NAME, description="Replica that redirected the client here; the client is not redirected again"
    ),
]


_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {}},
        "description": "The chunk, including the header",
        "headers": _HEADERS | _DIGESTS,
    },
    206: {
        "content": {"text/csv": {}},
        "description": "The requested range of the chunk",
        "headers": {**_HEADERS, REPR_DIGEST: _DIGESTS[REPR_DIGEST]},
    },
    304: {"description": "The client already has this chunk", "headers": _HEADERS},
}
_DOWNLOAD_ERRORS = (*_GONE, *_ON_OTHER_REPLICA, RangeNotSatisfiableError, TooManyOpenFilesError)


@router.get(
    "/download",
    dependencies=_READ,
    # Given explicitly because ChunkResponse has no default that FastAPI could document.
    status_code=200,
    summary="Download a chunk",
    response_class=ChunkResponse,
    responses=problem_responses(*_DOWNLOAD_ERRORS) | _CONTENT,
)
@router.head("/download", dependencies=_READ, include_in_schema=False)
def download_chunk(
    *,
    upload_id: UploadIdPath,
    chunk_id: ChunkIdPath,
    runtime: RuntimeDep,
    principal: PrincipalDep,
    request: Request,
    redirected_by: _RedirectedBy = None,
) -> Response:
    """Return the content of a chunk file. Its ETag is the SHA-256. One Range, If-Range and If-None-Match are supported.

    The headers `X-CSVPipe-*` give the key of the chunk's object, its size and its SHA-256. The relay compares them with
    the chunk message, and writes nothing if they differ.

    A replica that does not have the file responds with 307 and the address of the replica that has it. That address is
    signed, so no key is needed there.
    """
    path, chunk = runtime.service.locate_chunk(upload_id, chunk_id, principal, redirected_by=redirected_by)
    return _respond(request, path, chunk)


@router.get(
    "/download/{signature}",
    dependencies=_HOLDER,
    status_code=200,
    summary="Download a chunk from its signed address",
    response_class=ChunkResponse,
    responses=problem_responses(InvalidSignatureError, AddressExpiredError, *_DOWNLOAD_ERRORS) | _CONTENT,
)
@router.head("/download/{signature}", dependencies=_HOLDER, include_in_schema=False)
def download_signed_chunk(
    *,
    upload_id: UploadIdPath,
    chunk_id: ChunkIdPath,
    signature: SignaturePath,
    runtime: RuntimeDep,
    request: Request,
    redirected_by: _RedirectedBy = None,
) -> Response:
    """Return the content of a chunk file as `GET /chunks/{upload_id}/{chunk_id}/download` does, without a key.

    The address is `api_endpoint` of the chunk's message. It expires, and each announcement has a new one. A wrong
    signature gets the same response whether the upload exists or not.
    """
    runtime.signer.check(upload_id, chunk_id, signature)
    path, chunk = runtime.service.locate_chunk(
        upload_id, chunk_id, EVERYBODY, redirected_by=redirected_by, signature=signature
    )
    return _respond(request, path, chunk)


def _respond(request: Request, path: Path, chunk: ChunkObject) -> Response:
    etag = f'"{chunk.sha256}"'
    headers = _headers_of(chunk)
    if is_unchanged(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={"ETag": etag, **headers})
    byte_range = find_range(request.headers, etag=etag, size_bytes=chunk.size_bytes)
    headers[REPR_DIGEST] = digest_field(chunk.sha256)
    if byte_range is None:
        headers[CONTENT_DIGEST] = headers[REPR_DIGEST]
    try:
        return ChunkResponse(path, etag=etag, byte_range=byte_range, headers=headers)
    except FileNotFoundError as error:
        raise ChunkGoneError(f"the file of object {chunk.key} has just been removed") from error


def _headers_of(chunk: ChunkObject) -> dict[str, str]:
    """Return the headers by which the relay checks the chunk, because anyone may have sent its message."""
    return {
        HEADER_OBJECT_KEY: chunk.key,
        HEADER_SHA256: chunk.sha256,
        HEADER_SIZE_BYTES: str(chunk.size_bytes),
        "Cache-Control": "private, no-cache, no-transform",
    }


@router.put(
    "/state",
    dependencies=[Depends(Guard(Permission.RELAY))],
    summary="Report a chunk's state",
    responses=problem_responses(
        UploadNotFoundError,
        ChunkNotFoundError,
        UploadGoneError,
        EvidenceMismatchError,
        BodyTooLargeError,
        BodyTimeoutError,
    ),
)
def put_state(
    upload_id: UploadIdPath, chunk_id: ChunkIdPath, change: StateChange, runtime: RuntimeDep, actor: ActorDep
) -> ChunkStatus:
    """Record that a chunk was relayed, has landed or has failed. Reporting the same state again changes nothing."""
    return runtime.service.change_chunk_state(upload_id, chunk_id, change, actor=actor)
