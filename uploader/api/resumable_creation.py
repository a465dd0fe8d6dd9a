"""The creation of a resumable upload, which happens once for each Idempotency-Key."""

from __future__ import annotations

from fastapi import Response

from uploader.api.extra_headers import extra_headers
from uploader.api.resumable_request import ResumableRequest
from uploader.disk.part_file import PartState
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.resumable_upload import ResumableUpload
from uploader.resumable import tus_headers
from uploader.resumable.errors import (
    ResumableUploadGoneError,
    ResumableUploadRefusedError,
    UploadSupersededError,
)
from uploader.resumable.turns import RETRY_AFTER_S
from uploader.resumable.tus_headers import Checksum

_ATTEMPTS = 3


async def create_or_continue(call: ResumableRequest, wanted: ResumableUpload, *, checksum: Checksum | None) -> Response:
    """Create ``wanted`` and receive the bytes that come with it, or go on with the unfinished upload that has its key.

    Raises:
        IdempotencyConflictError: the key was used for another length or other metadata.
        UploadSupersededError: the upload that has the key ends, each time that it was found.
        CsvPipeError: the upload is not created, or its bytes are refused; the subclass gives the reason.
    """
    registry, forwarder = call.runtime.resumables.registry, call.runtime.forwarder
    with call.closing_on_refusal():
        first = await registry.find_first(wanted)
        if first is None or not forwarder.is_elsewhere(first):  # the other replica counts, too
            await call.runtime.key_limits.count_start(call.principal, extra_headers(call.request))
    for _ in range(_ATTEMPTS):
        if first is None:
            with call.closing_on_refusal():
                created = await registry.create(wanted)
            if isinstance(created, PartState):
                return await _begin(call, wanted, created, checksum)
            first = created
        try:
            return await _continue(call, first, checksum)
        except (ResumableUploadGoneError, ResumableUploadRefusedError):
            first = None  # it has just ended, so the key is free
    raise UploadSupersededError(
        "the upload with this Idempotency-Key has just ended: send the request again", retry_after_s=RETRY_AFTER_S
    )


async def _begin(
    call: ResumableRequest, upload: ResumableUpload, state: PartState, checksum: Checksum | None
) -> Response:
    """Receive what comes with the creation."""
    _tell_upload(call, upload, replayed=False)
    if upload.length_bytes != 0 and not call.has_body:
        return call.respond(201, state, None)
    async with call.runtime.resumables.turn(upload) as turn:
        return await _use(call, upload, turn, state, checksum)


async def _continue(call: ResumableRequest, first: ResumableUpload, checksum: Checksum | None) -> Response:
    """Respond with the upload that has the key already, at whatever replica.

    A body is read if no byte has arrived yet. Otherwise it need not start with the bytes that are missing, so the
    client is told the offset, and the body is discarded.
    """
    resumables = call.runtime.resumables
    _tell_upload(call, first, replayed=True)
    if not call.has_body and not call.runtime.forwarder.is_elsewhere(first):
        state = await resumables.registry.find_unfinished_state(first)
        if state is not None:
            return call.respond(201, state, None)

    async def go_on(upload: ResumableUpload, turn: UploadTurn | None) -> Response:
        if turn is None:
            return call.respond_finished(201, upload)
        return await _use(call, upload, turn, await resumables.offset(upload), checksum)

    return await call.at_turn(first.upload_id, go_on)


async def _use(
    call: ResumableRequest, upload: ResumableUpload, turn: UploadTurn, state: PartState, checksum: Checksum | None
) -> Response:
    if call.has_body and not state.offset:
        state, accepted_id = await call.append(upload, turn, offset=0, length=None, checksum=checksum)
    else:
        accepted_id = await call.runtime.resumables.finish_if_complete(upload, state)
    return call.respond(201, state, accepted_id)


def _tell_upload(call: ResumableRequest, upload: ResumableUpload, *, replayed: bool) -> None:
    headers = extra_headers(call.request)
    headers["Location"] = f"{call.request.scope.get('root_path', '')}/files/{upload.upload_id}"
    if replayed:
        headers[tus_headers.REPLAYED] = "true"
    else:
        headers.pop(tus_headers.REPLAYED, None)  # of an upload that has just ended
