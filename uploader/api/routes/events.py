"""``GET /events``: changes of uploads as they happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from contracts.permissions import Permission
from uploader.access.errors import PermissionDeniedError, UnauthenticatedError
from uploader.api.event_stream import COMMENT, EventStream, event
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.problems import problem_responses
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.errors import ManifestUnavailableError, TooManyStreamsError
from uploader.http.stream_end import stream_end_of
from uploader.uploads.upload_events import Listener

_CHECK_S = 1.5
"""How often the key is checked at least; with the age of what is known of it, its end counts within 5 seconds."""
_COMMENT_S = 15.0
_RETRY_MS = 3_000
_GUARD = Guard(Permission.READ, dataset_parameter="dataset")
_OPENAPI: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`event: ready`, then `event: upload` with an `UploadSummary` for each change",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
router = APIRouter(tags=["uploads"])


@router.get(
    "/events",
    dependencies=[Depends(_GUARD)],
    summary="Follow uploads",
    response_class=Response,
    responses=problem_responses(TooManyStreamsError, ManifestUnavailableError) | _OPENAPI,
)
async def follow_uploads(
    *,
    runtime: RuntimeDep,
    request: Request,
    principal: PrincipalDep,
    dataset: Annotated[
        str | None,
        Query(description="Only uploads of this dataset", json_schema_extra={"pattern": DATASET_NAME_PATTERN}),
    ] = None,
    upload_id: Annotated[str | None, Query(max_length=64, description="Only this upload")] = None,
) -> Response:
    """Send changes of uploads as server-sent events, within a second or two.

    `ready` comes first, and again if changes were missed: ask for the state that you show then. Each `upload` has the
    latest state of one upload. The stream ends when the key is revoked or the service stops; browsers reconnect.
    """
    if dataset is not None:
        check_dataset_name(dataset)
    async with AsyncExitStack() as stack:
        stack.enter_context(runtime.stream_limit.slot(principal.key_id))
        listener = await stack.enter_async_context(
            runtime.events.listening(principal, dataset=dataset, upload_id=upload_id)
        )
        return EventStream(_frames(runtime, request, listener), resources=stack.pop_all())


async def _frames(runtime: Runtime, request: Request, listener: Listener) -> AsyncGenerator[bytes]:
    ended = stream_end_of(request.scope)
    watch = asyncio.create_task(ended.wait())
    watch.add_done_callback(lambda _: listener.wake())
    try:
        yield event("ready", "{}", retry_ms=_RETRY_MS)
        comment_at = time.monotonic() + _COMMENT_S
        while not ended.is_set() and await _may_go_on(runtime, request, listener):
            # At the same time for all streams, so that one query has all their keys.
            await listener.wait(_CHECK_S - time.monotonic() % _CHECK_S)
            frames = list(_pending(listener))
            if time.monotonic() >= comment_at:
                frames.append(COMMENT)
                comment_at = time.monotonic() + _COMMENT_S
            for frame in frames:
                # Once more for each: the wait is over, and a client that reads slowly gets the last of them much later.
                if ended.is_set() or not await _may_go_on(runtime, request, listener):
                    return
                yield frame
    finally:
        watch.cancel()


def _pending(listener: Listener) -> Iterator[bytes]:
    has_missed, changed = listener.take()
    if has_missed:
        yield event("ready", "{}")
    for upload in changed:
        yield event("upload", upload.model_dump_json())


async def _may_go_on(runtime: Runtime, request: Request, listener: Listener) -> bool:
    """Return whether the key of the stream is still valid, and let the listener have its present rights."""
    if listener.principal.key_id is None:
        return True
    try:
        listener.principal = await runtime.authenticator.authenticate(request.headers)
        _GUARD.check(listener.principal, request)
    except (UnauthenticatedError, PermissionDeniedError):
        return False
    except ManifestUnavailableError:  # nothing is sent meanwhile: changes are not read either
        return True
    return True
