"""``/chunks``: the bytes of a chunk, and what became of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from contracts.names import HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES
from uploader.api.chunk_response import ChunkResponse
from uploader.api.dependencies import ChunkIdPath, ServiceDep, UploadIdPath
from uploader.api.problems import problem_responses
from uploader.api.range_requests import find_range, is_unchanged
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
from uploader.uploads.schemas import ChunkStatus, StateChange

router = APIRouter(prefix="/chunks/{upload_id}/{chunk_id}", tags=["chunks"])
_GONE = (UploadNotFoundError, ChunkNotFoundError, UploadGoneError, ChunkGoneError)
_ELSEWHERE = (ChunkRedirectedError, ChunkOnOtherReplicaError, ReplicaUnavailableError)
_HEADERS: dict[str, Any] = {
    HEADER_OBJECT_KEY: {"description": "key of the chunk's object in the bucket", "schema": {"type": "string"}},
    HEADER_SHA256: {
        "description": "SHA-256 of the whole chunk file",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    HEADER_SIZE_BYTES: {"description": "bytes of the whole chunk file", "schema": {"type": "integer", "minimum": 0}},
}
_RedirectedBy = Annotated[
    str | None,
    Query(pattern=REPLICA_NAME, description="the replica that sent the client here; it is not sent on once more"),
]


@router.get(
    "/download",
    # Named here, as FastAPI finds no default in ChunkResponse to document.
    status_code=200,
    summary="Download a chunk",
    response_class=ChunkResponse,
    responses=problem_responses(*_GONE, *_ELSEWHERE, RangeNotSatisfiableError, TooManyOpenFilesError)
    | {
        200: {"content": {"text/csv": {}}, "description": "the chunk, header included", "headers": _HEADERS},
        206: {"content": {"text/csv": {}}, "description": "the part of it that Range asks for", "headers": _HEADERS},
        304: {"description": "the client has it already", "headers": _HEADERS},
    },
)
@router.head("/download", include_in_schema=False)
def download_chunk(
    upload_id: UploadIdPath,
    chunk_id: ChunkIdPath,
    service: ServiceDep,
    request: Request,
    redirected_by: _RedirectedBy = None,
) -> Response:
    """Return the bytes of a chunk file. The ETag is their SHA-256; one Range at a time, If-Range and If-None-Match.

    The headers `X-CSVPipe-*` name the object that the chunk becomes, its size and its SHA-256. The relay compares them
    with the message that it was sent, and writes nothing where they differ.

    A replica that does not hold the file answers 307 with the address of the one that does.
    """
    path, chunk = service.locate_chunk(upload_id, chunk_id, redirected_by=redirected_by)
    etag = f'"{chunk.sha256}"'
    if is_unchanged(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={"ETag": etag, **chunk.headers})
    span = find_range(request.headers, etag=etag, size_bytes=chunk.size_bytes)
    try:
        return ChunkResponse(path, etag=etag, span=span, headers=chunk.headers)
    except FileNotFoundError as error:
        raise ChunkGoneError(f"chunk {chunk_id} of upload {upload_id} was removed just now") from error


@router.put(
    "/state",
    summary="Say what became of a chunk",
    responses=problem_responses(
        UploadNotFoundError,
        ChunkNotFoundError,
        UploadGoneError,
        EvidenceMismatchError,
        BodyTooLargeError,
        BodyTimeoutError,
    ),
)
def put_state(upload_id: UploadIdPath, chunk_id: ChunkIdPath, change: StateChange, service: ServiceDep) -> ChunkStatus:
    """Take note that a chunk was relayed, has landed or has failed; saying the same again changes nothing."""
    return service.change_chunk_state(upload_id, chunk_id, change)
