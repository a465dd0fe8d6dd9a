"""``/files``: resumable uploads by the tus protocol, version 1.0."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError
from contracts.permissions import Permission
from contracts.traceparent import find_traceparent
from uploader.access.principal import Principal
from uploader.api.actors import actor_of
from uploader.api.extra_headers import extra_headers
from uploader.api.guards import ANY_KEY, ANYONE, Guard, PrincipalDep, check_permission
from uploader.api.problems import has_body, problem_responses
from uploader.api.request_bodies import body_of
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.api.upload_admission import size_limit_of
from uploader.disk.part_file import PartState
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.resumable_upload import ResumableState, ResumableUpload
from uploader.errors import (
    DigestMismatchError,
    DiskFailedError,
    DiskFullError,
    FileTooLargeError,
    IdempotencyConflictError,
    InvalidCsvError,
    InvalidFieldError,
    ManifestLostError,
    ManifestUnavailableError,
    ReplicaUnavailableError,
    TooManyChunksError,
    TooManyOpenFilesError,
    TooManyUploadsError,
    TooManyUploadsOfKeyError,
    UnsupportedMediaTypeError,
    UploadNotFoundError,
    UploadRateExceededError,
    UploadStalledError,
)
from uploader.ingest.size_limits import file_too_large
from uploader.resumable import tus_headers
from uploader.resumable.errors import (
    ChecksumMismatchError,
    OffsetMismatchError,
    ResumableUploadGoneError,
    ResumableUploadRefusedError,
    ResumableUploadUnfinishedError,
    TusRequestError,
    TusVersionError,
    UploadSupersededError,
)
from uploader.resumable.tus_headers import Checksum
from uploader.resumable.upload_metadata import read_metadata
from uploader.uploads.acceptance import IDEMPOTENCY_KEY, check_idempotency_key
from uploader.uploads.responses import accepted_of

router = APIRouter(prefix="/files", tags=["resumable uploads"])
ResumableIdPath = Annotated[str, Path(min_length=1, description="Last part of the `Location` of the created upload")]
_TUS_RESUMABLE = {
    "name": "Tus-Resumable",
    "in": "header",
    "required": True,
    "description": "Version of the protocol",
    "schema": {"type": "string", "enum": [tus_headers.VERSION]},
}


def _header(name: str, description: str, *, required: bool = False, **rules: str) -> dict[str, Any]:
    schema = {"type": "string", **rules}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


_NUMBER, _ONE = "^[0-9]{1,19}$", "^1$"
_UPLOAD_METADATA = _header(
    "Upload-Metadata",
    "The fields of `POST /upload/csv`, `filename`, and `sha256` of the file if it is known: pairs separated by commas, "
    "each a key, a blank and its value in base64",
    required=True,
    format="upload-metadata",
)
_UPLOAD_CHECKSUM = _header(
    "Upload-Checksum",
    "`sha256` or `sha1`, a blank, and the digest of the body in base64; if it differs, none is kept",
    format="upload-checksum",
)
_LENGTHS = [
    _header("Upload-Length", "Size of the file in bytes", pattern=_NUMBER),
    _header("Upload-Defer-Length", "`1` if the size is not known yet", pattern=_ONE),
]
_OFFSET = _header("Upload-Offset", "Number of bytes that precede the body", required=True, pattern=_NUMBER)
_TOLD: dict[str, Any] = {
    "Upload-Offset": {"description": "Number of durable bytes", "schema": {"type": "integer"}},
    "Upload-Expires": {"description": "When the upload is removed if no byte comes", "schema": {"type": "string"}},
    tus_headers.UPLOAD_ID: {
        "description": "Id of the upload that the finished file has become",
        "schema": {"type": "string"},
    },
    tus_headers.UPLOAD_STATUS: {"description": "Path of its status", "schema": {"type": "string"}},
}
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": {"description": "Where the bytes go", "schema": {"type": "string"}}, **_TOLD}}
}
_BYTES = {tus_headers.CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_UNAVAILABLE = (
    ManifestUnavailableError,
    ManifestLostError,
    TooManyOpenFilesError,
    ReplicaUnavailableError,
    DiskFullError,
    DiskFailedError,
)
_CONTENT = (InvalidCsvError, DigestMismatchError, IdempotencyConflictError, FileTooLargeError, TooManyChunksError)
_NOT_THERE = (UploadNotFoundError, ResumableUploadGoneError, ResumableUploadRefusedError)
_RECEIVING = (
    TusRequestError,
    TusVersionError,
    UnsupportedMediaTypeError,
    ChecksumMismatchError,
    UploadStalledError,
    InvalidFieldError,
    TooManyUploadsOfKeyError,
    TooManyUploadsError,
    UploadSupersededError,
)


@router.options("", dependencies=[Depends(ANYONE)], status_code=204, summary="Get the abilities of the server")
@router.options("/{upload_id}", dependencies=[Depends(ANYONE)], status_code=204, include_in_schema=False)
def get_abilities(runtime: RuntimeDep) -> Response:
    """Return the version, the extensions and the limits of the protocol in headers."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": tus_headers.VERSION,
            "Tus-Extension": tus_headers.EXTENSIONS,
            "Tus-Max-Size": str(runtime.settings.max_file_size_bytes),
            "Tus-Checksum-Algorithm": ",".join(tus_headers.CHECKSUM_ALGORITHMS),
        },
    )


@router.post("/", dependencies=[Depends(Guard(Permission.UPLOAD))], status_code=201, include_in_schema=False)
@router.post(
    "",
    dependencies=[Depends(Guard(Permission.UPLOAD))],
    status_code=201,
    summary="Create a resumable upload",
    response_class=Response,
    openapi_extra={
        "parameters": [_TUS_RESUMABLE, _UPLOAD_METADATA, *_LENGTHS, _UPLOAD_CHECKSUM],
        "requestBody": {"required": False, "content": _BYTES},
    },
    responses=problem_responses(*_RECEIVING, *_CONTENT, UploadRateExceededError, *_UNAVAILABLE) | _CREATED,
)
async def create_resumable_upload(
    runtime: RuntimeDep,
    request: Request,
    principal: PrincipalDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key with the same file and options results in the first upload again",
            json_schema_extra={"pattern": IDEMPOTENCY_KEY.pattern},
        ),
    ] = None,
) -> Response:
    """Create a resumable upload, whose bytes follow in `PATCH` requests to its `Location`; a body is the first of them.

    The fields are checked before a byte is sent. An upload to which no byte comes for `RESUMABLE_EXPIRY_HOURS` is
    removed. See <https://tus.io/protocols/resumable-upload> for the protocol.
    """
    with _closing_on_refusal(request):
        tus_headers.check_version(request.headers)
        runtime.acceptance.check_open()
        check_idempotency_key(idempotency_key)
        length, checksum = tus_headers.read_length(request.headers), tus_headers.read_checksum(request.headers)
        size_limit = size_limit_of(principal, runtime.settings)
        if length is not None and length > size_limit.max_bytes:
            raise file_too_large(size_limit, f"the file has {length} bytes")
        metadata = read_metadata(
            request.headers.get("upload-metadata"),
            defaults=runtime.settings,
            check_dataset=partial(check_permission, principal, Permission.UPLOAD),
        )
        if has_body(request):
            tus_headers.check_content_type(request.headers)
        await runtime.key_limits.count_start(principal, extra_headers(request))
        upload, state = await runtime.resumables.registry.create(
            uuid.uuid4().hex,
            metadata,
            length=length,
            actor=actor_of(request),
            idempotency_key=idempotency_key,
            traceparent=find_traceparent(request.headers.items()),
        )
    location = f"{request.scope.get('root_path', '')}/files/{upload.upload_id}"
    extra_headers(request)["Location"] = location
    if length != 0 and not has_body(request):
        return _respond(request, runtime, 201, state, None)
    async with runtime.resumables.turn(upload) as turn:
        if has_body(request):
            state, accepted_id = await _append(
                runtime, request, principal, upload, turn, offset=0, length=None, checksum=checksum
            )
        else:
            accepted_id = await runtime.resumables.finish_if_complete(upload, state)
    return _respond(request, runtime, 201, state, accepted_id)


@router.head(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    summary="Get the offset of a resumable upload",
    response_class=Response,
    openapi_extra={"parameters": [_TUS_RESUMABLE]},
    responses=problem_responses(*_NOT_THERE, TusVersionError, UploadSupersededError, *_CONTENT, *_UNAVAILABLE)
    | {200: {"headers": _TOLD}},
)
async def get_offset(
    upload_id: ResumableIdPath, runtime: RuntimeDep, request: Request, principal: PrincipalDep
) -> Response:
    """Return in headers how many bytes are durable, or the id of the upload that the finished file has become.

    A request that is still sending to this upload is ended: the newest one wins.
    """
    tus_headers.check_version(request.headers)
    upload = await runtime.resumables.registry.find(upload_id, principal)
    if upload.state is ResumableState.RECEIVING:
        if runtime.forwarder.is_elsewhere(upload):
            return await _forward(runtime, request, upload)
        async with runtime.resumables.turn(upload):
            upload = await runtime.resumables.registry.find(upload_id, principal)
            if upload.state is ResumableState.RECEIVING:
                state = await runtime.resumables.offset(upload)
                accepted_id = await runtime.resumables.finish_if_complete(upload, state)
                return _respond(request, runtime, 200, state, accepted_id)
    return _respond_finished(request, upload, 200)


@router.get(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    summary="Get what a resumable upload has become",
    responses=problem_responses(*_NOT_THERE, ResumableUploadUnfinishedError, *_UNAVAILABLE),
)
async def get_accepted(upload_id: ResumableIdPath, runtime: RuntimeDep, principal: PrincipalDep) -> UploadAccepted:
    """Return what `POST /upload/csv` would have answered, once the last byte was received and the chunks are made.

    The key that has sent the file is enough, without the permission `read`. The protocol has no such request: it needs
    no `Tus-Resumable`.
    """
    upload = await runtime.resumables.registry.find(upload_id, principal)
    accepted = await runtime.resumables.registry.find_accepted(upload)
    return accepted_of(accepted, base_url=runtime.settings.base_url, replayed=False)


@router.patch(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    status_code=204,
    summary="Send bytes to a resumable upload",
    openapi_extra={
        "parameters": [_TUS_RESUMABLE, _OFFSET, _LENGTHS[0], _UPLOAD_CHECKSUM],
        "requestBody": {"required": True, "content": _BYTES},
    },
    responses=problem_responses(*_RECEIVING, OffsetMismatchError, *_NOT_THERE, *_CONTENT, *_UNAVAILABLE)
    | {204: {"headers": _TOLD}},
)
async def append_bytes(
    upload_id: ResumableIdPath, runtime: RuntimeDep, request: Request, principal: PrincipalDep
) -> Response:
    """Append the body at `Upload-Offset`. The response to the last byte names the upload in `CSVPipe-Upload`.

    What has arrived when a connection breaks is kept; `HEAD` returns how much that is. Content that cannot become an
    upload is refused as by `POST /upload/csv`, by the request that has the fault; later ones get 410 with the same
    problem.
    """
    with _closing_on_refusal(request):
        tus_headers.check_version(request.headers)
        tus_headers.check_content_type(request.headers)
        offset, checksum = tus_headers.read_offset(request.headers), tus_headers.read_checksum(request.headers)
        length = tus_headers.read_number(request.headers, "Upload-Length")
        upload = await runtime.resumables.registry.find(upload_id, principal)
    if upload.state is ResumableState.RECEIVING:
        if runtime.forwarder.is_elsewhere(upload):
            return await _forward(runtime, request, upload)
        async with runtime.resumables.turn(upload) as turn:
            with _closing_on_refusal(request):
                upload = await runtime.resumables.registry.find(upload_id, principal)
            if upload.state is ResumableState.RECEIVING:
                state, accepted_id = await _append(
                    runtime, request, principal, upload, turn, offset=offset, length=length, checksum=checksum
                )
                return _respond(request, runtime, 204, state, accepted_id)
    if offset != upload.length_bytes or has_body(request):
        with _closing_on_refusal(request):
            raise OffsetMismatchError(
                f"Upload-Offset is {offset}, but all {upload.length_bytes} bytes were received: the upload is finished",
                offset=upload.length_bytes,
            )
    return _respond_finished(request, upload, 204)


@router.delete(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    status_code=204,
    summary="Remove a resumable upload",
    openapi_extra={"parameters": [_TUS_RESUMABLE]},
    responses=problem_responses(*_NOT_THERE, TusVersionError, UploadSupersededError, *_UNAVAILABLE),
)
async def remove_resumable_upload(
    upload_id: ResumableIdPath, runtime: RuntimeDep, request: Request, principal: PrincipalDep
) -> Response:
    """Remove the bytes. The upload that a finished file has become stays: it has a `DELETE` of its own."""
    tus_headers.check_version(request.headers)
    upload = await runtime.resumables.registry.find(upload_id, principal)
    if upload.state is ResumableState.RECEIVING:
        if runtime.forwarder.is_elsewhere(upload):
            return await _forward(runtime, request, upload)
        async with runtime.resumables.turn(upload):
            upload = await runtime.resumables.registry.find(upload_id, principal)
            await runtime.resumables.registry.remove(upload)
    else:
        await runtime.resumables.registry.remove(upload)
    return Response(status_code=204)


async def _forward(runtime: Runtime, request: Request, upload: ResumableUpload) -> Response:
    """Let the replica that has the bytes respond. It takes the slot of the key; a body takes one of this worker too."""
    with _closing_on_refusal(request):
        if not has_body(request):
            answer = await runtime.forwarder.forward(upload, request.method, request.headers)
        else:
            with runtime.concurrency_limit.slot(), body_of(request) as body:
                answer = await runtime.forwarder.forward(
                    upload, request.method, request.headers, body=body, rate=runtime.resumables.rate()
                )
    if answer.status >= 400 and has_body(request):
        answer.headers["Connection"] = "close"
    return Response(answer.content, status_code=answer.status, headers=answer.headers)


async def _append(
    runtime: Runtime,
    request: Request,
    principal: Principal,
    upload: ResumableUpload,
    turn: UploadTurn,
    *,
    offset: int,
    length: int | None,
    checksum: Checksum | None,
) -> tuple[PartState, str | None]:
    async with _slots(runtime, request, principal):
        with body_of(request) as body:
            return await runtime.resumables.append(
                upload,
                turn,
                body,
                offset=offset,
                length=length,
                body_bytes=tus_headers.read_number(request.headers, "Content-Length"),
                size_limit=size_limit_of(principal, runtime.settings),
                checksum=checksum,
            )


@asynccontextmanager
async def _slots(runtime: Runtime, request: Request, principal: Principal) -> AsyncIterator[None]:
    """Hold a slot of the key and one of this worker."""
    async with AsyncExitStack() as stack:
        with _closing_on_refusal(request):
            runtime.concurrency_limit.check_free()
            await stack.enter_async_context(runtime.key_limits.slot(principal, extra_headers(request)))
            stack.enter_context(runtime.concurrency_limit.slot())
        yield


@contextmanager
def _closing_on_refusal(request: Request) -> Iterator[None]:
    """Close the connection after a refusal, instead of receiving a body that nobody wants."""
    try:
        yield
    except CsvPipeError:
        if has_body(request):
            extra_headers(request)["Connection"] = "close"
        raise


def _respond(request: Request, runtime: Runtime, status: int, state: PartState, accepted_id: str | None) -> Response:
    headers = {"Upload-Offset": str(state.offset)}
    if state.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(state.length)
    if accepted_id is None:
        headers["Upload-Expires"] = tus_headers.http_date(runtime.resumables.registry.expires_at(state))
    else:
        headers |= _names_of(request, accepted_id)
    return Response(status_code=status, headers=headers | extra_headers(request))


def _respond_finished(request: Request, upload: ResumableUpload, status: int) -> Response:
    size = str(upload.length_bytes)
    headers = {"Upload-Offset": size, "Upload-Length": size, **_names_of(request, upload.accepted_id or "")}
    return Response(status_code=status, headers=headers | extra_headers(request))


def _names_of(request: Request, accepted_id: str) -> dict[str, str]:
    status = f"{request.scope.get('root_path', '')}/uploads/{accepted_id}/status"
    return {tus_headers.UPLOAD_ID: accepted_id, tus_headers.UPLOAD_STATUS: status}
