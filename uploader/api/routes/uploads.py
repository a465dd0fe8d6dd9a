"""``/uploads``: the state of uploads, and operations on them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query

from contracts.api import KnownUploads, Status, UploadIds, UploadPage, UploadStatus
from contracts.manifest import Manifest
from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from contracts.permissions import Permission
from uploader.api.actors import ActorDep
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.path_parameters import UploadIdPath
from uploader.api.problems import problem_responses
from uploader.api.runtime import RuntimeDep
from uploader.errors import InvalidFieldError, PublishError, UploadGoneError, UploadInProgressError, UploadNotFoundError

router = APIRouter(prefix="/uploads", tags=["uploads"])
_READ = [Depends(Guard(Permission.READ))]
_OPERATE = [Depends(Guard(Permission.OPERATE))]


# Not async, here and below: FastAPI runs them in threads, because the database blocks.
@router.get("", dependencies=_READ, summary="List uploads", responses=problem_responses(InvalidFieldError))
def list_uploads(
    *,
    runtime: RuntimeDep,
    principal: PrincipalDep,
    dataset: Annotated[
        str | None,
        Query(description="Only uploads of this dataset", json_schema_extra={"pattern": DATASET_NAME_PATTERN}),
    ] = None,
    status: Annotated[Status | None, Query(description="Only uploads with this status")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Uploads per page")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=500, description="`next_cursor` of the previous page", json_schema_extra={"format": "cursor"}),
    ] = None,
) -> UploadPage:
    """Return a page of uploads, newest first."""
    if dataset is not None:
        check_dataset_name(dataset)
    state = None if status is None else status.state
    return runtime.service.list_uploads(principal, limit=limit, cursor=cursor, dataset_name=dataset, state=state)


@router.post("/known", dependencies=_READ, summary="Find known uploads", responses=problem_responses())
def find_known(ids: UploadIds, runtime: RuntimeDep, principal: PrincipalDep) -> KnownUploads:
    """Return which of up to 500 ids belong to uploads of this uploader, deleted ones included.

    The listener calls this for each batch of messages, because anyone who can write to the topic can use any id.
    """
    return runtime.service.known_uploads(ids.upload_ids, principal)


@router.get(
    "/{upload_id}/status",
    dependencies=_READ,
    summary="Get the status of an upload",
    responses=problem_responses(UploadNotFoundError),
)
def get_status(upload_id: UploadIdPath, runtime: RuntimeDep, principal: PrincipalDep) -> UploadStatus:
    """Return the state, the timestamps and the errors of an upload and of each of its chunks."""
    return runtime.service.status(upload_id, principal)


@router.get(
    "/{upload_id}/manifest",
    dependencies=_READ,
    summary="Get the manifest of an upload",
    responses=problem_responses(UploadNotFoundError, UploadGoneError),
)
def get_manifest(upload_id: UploadIdPath, runtime: RuntimeDep, principal: PrincipalDep) -> Manifest:
    """Return the objects of an upload, with everything needed to verify that they are the file that was sent."""
    return runtime.service.manifest(upload_id, principal)


@router.post(
    "/{upload_id}/announce",
    dependencies=_OPERATE,
    status_code=202,
    summary="Announce an upload again",
    responses=problem_responses(UploadNotFoundError, UploadGoneError, PublishError),
)
def announce_again(
    upload_id: UploadIdPath, runtime: RuntimeDep, actor: ActorDep, background: BackgroundTasks
) -> UploadStatus:
    """Announce all chunks that have not landed, including failed ones; their attempts are counted from 0 again.

    If all chunks have landed, one is announced and no state changes: the run that processes it writes the upload's
    manifest to the bucket, in case that failed before. This announcement is not retried if Kafka is unavailable (503).
    """
    status = runtime.service.announce_again(upload_id, actor=actor)
    background.add_task(runtime.wake_outbox)
    return status


@router.delete(
    "/{upload_id}",
    dependencies=_OPERATE,
    summary="Delete an upload",
    responses=problem_responses(UploadNotFoundError, UploadInProgressError),
)
def delete_upload(
    upload_id: UploadIdPath,
    runtime: RuntimeDep,
    actor: ActorDep,
    force: Annotated[bool, Query(description="Delete even if chunks are being delivered to the bucket")] = False,
) -> UploadStatus:
    """Remove the files of an upload and stop announcing it. Objects in the bucket are kept.

    Chunks that are being delivered can no longer be downloaded (410), and the runs that relay them fail; therefore this
    is refused unless `force` is set. The Idempotency-Key of the upload can be used again.
    """
    return runtime.service.delete(upload_id, force=force, actor=actor)
