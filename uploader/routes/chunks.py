"""``/chunks``: the bytes of a chunk, and what became of them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from uploader.answers import ChunkStatus, StateChange
from uploader.byte_ranges import ChunkResponse, check_range, is_unchanged
from uploader.dependencies import ChunkIdPath, ServiceDep, UploadIdPath
from uploader.errors import (
    ChunkElsewhereError,
    ChunkGoneError,
    ChunkNotFoundError,
    EvidenceMismatchError,
    RangeNotSatisfiableError,
    UploadGoneError,
    UploadNotFoundError,
)
from uploader.problems import problem_responses

router = APIRouter(prefix="/chunks/{upload_id}/{chunk_id}", tags=["chunks"])
_GONE = (UploadNotFoundError, ChunkNotFoundError, UploadGoneError, ChunkGoneError, ChunkElsewhereError)


@router.get(
    "/download",
    # Named here, as FastAPI finds no default in ChunkResponse to document.
    status_code=200,
    summary="Download a chunk",
    response_class=ChunkResponse,
    responses=problem_responses(*_GONE, RangeNotSatisfiableError)
    | {
        200: {"content": {"text/csv": {}}, "description": "the chunk, header included"},
        206: {"content": {"text/csv": {}}, "description": "the part of it that Range asks for"},
        304: {"description": "the client has it already"},
    },
)
@router.head("/download", include_in_schema=False)
def download_chunk(upload_id: UploadIdPath, chunk_id: ChunkIdPath, service: ServiceDep, request: Request) -> Response:
    """Return the bytes of a chunk file. The ETag is their SHA-256; one Range at a time, If-Range and If-None-Match."""
    path, chunk = service.locate_chunk(upload_id, chunk_id)
    etag = f'"{chunk.sha256}"'
    if is_unchanged(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={"ETag": etag})
    check_range(request.headers, etag=etag, size_bytes=chunk.size_bytes)
    try:
        return ChunkResponse(path, etag=etag)
    except FileNotFoundError as error:
        raise ChunkGoneError(f"chunk {chunk_id} of upload {upload_id} was removed just now") from error


@router.put(
    "/state",
    summary="Say what became of a chunk",
    responses=problem_responses(UploadNotFoundError, ChunkNotFoundError, UploadGoneError, EvidenceMismatchError),
)
def put_state(upload_id: UploadIdPath, chunk_id: ChunkIdPath, change: StateChange, service: ServiceDep) -> ChunkStatus:
    """Take note that a chunk was relayed, has landed or has failed; saying the same again changes nothing."""
    return service.change_chunk_state(upload_id, chunk_id, change)
