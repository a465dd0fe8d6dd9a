"""``/files``: resumable uploads by the tus protocol, version 1.0."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Response

from contracts.api import UploadAccepted
from contracts.permissions import Permission
from contracts.traceparent import find_traceparent
from uploader.api import tus_openapi as openapi
from uploader.api.actors import actor_of
from uploader.api.guards import ANY_KEY, ANYONE, Guard, PrincipalDep, check_permission
from uploader.api.problems import problem_responses
from uploader.api.resumable_creation import create_or_continue
from uploader.api.resumable_request import ResumableRequestDep
from uploader.api.runtime import RuntimeDep
from uploader.api.upload_admission import size_limit_of
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.resumable_upload import ResumableUpload
from uploader.errors import UploadRateExceededError
from uploader.ingest.size_limits import file_too_large
from uploader.resumable import tus_headers
from uploader.resumable.errors import (
    OffsetMismatchError,
    ResumableUploadUnfinishedError,
    TusVersionError,
    UploadSupersededError,
)
from uploader.resumable.upload_metadata import read_metadata
from uploader.uploads.acceptance import IDEMPOTENCY_KEY, check_idempotency_key
from uploader.uploads.responses import accepted_of

router = APIRouter(prefix="/files", tags=["resumable uploads"])
ResumableIdPath = Annotated[str, Path(min_length=1, description="Last part of the `Location` of the created upload")]


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
        "parameters": [
            openapi.TUS_RESUMABLE,
            openapi.UPLOAD_METADATA,
            openapi.REPR_DIGEST,
            *openapi.LENGTHS,
            *openapi.CHECKSUMS,
        ],
        "requestBody": {"required": False, "content": openapi.BYTES},
    },
    responses=problem_responses(*openapi.RECEIVING, *openapi.CONTENT, UploadRateExceededError, *openapi.UNAVAILABLE)
    | openapi.CREATED,
)
async def create_resumable_upload(
    call: ResumableRequestDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description=(
                "The same key with the same length and metadata returns the first upload while that is not finished; "
                "later, the same file and options result in it"
            ),
            json_schema_extra={"pattern": IDEMPOTENCY_KEY.pattern},
        ),
    ] = None,
) -> Response:
    """Create a resumable upload, whose bytes follow in `PATCH` requests to its `Location`; a body is the first of them.

    The fields are checked before a byte is sent. An upload to which no byte comes for `RESUMABLE_EXPIRY_HOURS` is
    removed. See <https://tus.io/protocols/resumable-upload> for the protocol.
    """
    runtime, headers = call.runtime, call.request.headers
    with call.closing_on_refusal():
        tus_headers.check_version(headers)
        runtime.acceptance.check_open()
        check_idempotency_key(idempotency_key)
        length, checksum = tus_headers.read_length(headers), tus_headers.read_checksum(headers)
        size_limit = size_limit_of(call.principal, runtime.settings)
        if length is not None and length > size_limit.max_bytes:
            raise file_too_large(size_limit, f"the file has {length} bytes")
        metadata = read_metadata(
            headers.get("upload-metadata"),
            repr_digest=headers.get("repr-digest"),
            defaults=runtime.settings,
            check_dataset=partial(check_permission, call.principal, Permission.UPLOAD),
        )
        if call.has_body:
            tus_headers.check_content_type(headers)
        wanted = runtime.resumables.registry.new_upload(
            metadata,
            length=length,
            actor=actor_of(call.request),
            idempotency_key=idempotency_key,
            traceparent=find_traceparent(headers.items()),
        )
    return await create_or_continue(call, wanted, checksum=checksum)


@router.head(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    summary="Get the offset of a resumable upload",
    response_class=Response,
    openapi_extra={"parameters": [openapi.TUS_RESUMABLE]},
    responses=problem_responses(
        *openapi.NOT_THERE, TusVersionError, UploadSupersededError, *openapi.CONTENT, *openapi.UNAVAILABLE
    )
    | {200: {"headers": openapi.TOLD_HEADERS}},
)
async def get_offset(upload_id: ResumableIdPath, call: ResumableRequestDep) -> Response:
    """Return in headers how many bytes are durable, or the id of the upload that the finished file has become.

    A request that is still sending to this upload is ended: the newest one wins.
    """
    tus_headers.check_version(call.request.headers)

    async def tell(upload: ResumableUpload, turn: UploadTurn | None) -> Response:
        if turn is None:
            return call.respond_finished(200, upload)
        state = await call.runtime.resumables.offset(upload)
        accepted_id = await call.runtime.resumables.finish_if_complete(upload, state)
        return call.respond(200, state, accepted_id)

    return await call.at_turn(upload_id, tell)


@router.get(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    summary="Get what a resumable upload has become",
    responses=problem_responses(*openapi.NOT_THERE, ResumableUploadUnfinishedError, *openapi.UNAVAILABLE),
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
        "parameters": [openapi.TUS_RESUMABLE, openapi.OFFSET, openapi.LENGTHS[0], *openapi.CHECKSUMS],
        "requestBody": {"required": True, "content": openapi.BYTES},
    },
    responses=problem_responses(
        *openapi.RECEIVING, OffsetMismatchError, *openapi.NOT_THERE, *openapi.CONTENT, *openapi.UNAVAILABLE
    )
    | {204: {"headers": openapi.TOLD_HEADERS}},
)
async def append_bytes(upload_id: ResumableIdPath, call: ResumableRequestDep) -> Response:
    """Append the body at `Upload-Offset`. The response to the last byte names the upload in `CSVPipe-Upload`.

    What has arrived when a connection breaks is kept; `HEAD` returns how much that is. Content that cannot become an
    upload is refused as by `POST /upload/csv`, by the request that has the fault; later ones get 410 with the same
    problem.
    """
    headers = call.request.headers
    with call.closing_on_refusal():
        tus_headers.check_version(headers)
        tus_headers.check_content_type(headers)
        offset, checksum = tus_headers.read_offset(headers), tus_headers.read_checksum(headers)
        length = tus_headers.read_number(headers, "Upload-Length")

    async def append(upload: ResumableUpload, turn: UploadTurn | None) -> Response:
        if turn is not None:
            state, accepted_id = await call.append(upload, turn, offset=offset, length=length, checksum=checksum)
            return call.respond(204, state, accepted_id)
        if offset != upload.length_bytes or call.has_body:
            with call.closing_on_refusal():
                raise OffsetMismatchError(
                    f"Upload-Offset is {offset}, but all {upload.length_bytes} bytes were received: the upload is "
                    "finished",
                    offset=upload.length_bytes,
                )
        return call.respond_finished(204, upload)

    return await call.at_turn(upload_id, append)


@router.delete(
    "/{upload_id}",
    dependencies=[Depends(ANY_KEY)],
    status_code=204,
    summary="Remove a resumable upload",
    openapi_extra={"parameters": [openapi.TUS_RESUMABLE]},
    responses=problem_responses(*openapi.NOT_THERE, TusVersionError, UploadSupersededError, *openapi.UNAVAILABLE),
)
async def remove_resumable_upload(upload_id: ResumableIdPath, call: ResumableRequestDep) -> Response:
    """Remove the bytes. The upload that a finished file has become stays: it has a `DELETE` of its own."""
    tus_headers.check_version(call.request.headers)

    async def remove(upload: ResumableUpload, _: UploadTurn | None) -> Response:
        await call.runtime.resumables.registry.remove(upload)
        return Response(status_code=204)

    return await call.at_turn(upload_id, remove)
