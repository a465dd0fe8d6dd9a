"""``/uploads``: where uploads stand, and what can be done about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Request

from contracts.manifest import Manifest
from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from uploader.api.dependencies import ServiceDep, UploadIdPath
from uploader.api.problems import problem_responses
from uploader.errors import InvalidFieldError, PublishError, UploadGoneError, UploadInProgressError, UploadNotFoundError
from uploader.uploads.schemas import KnownUploads, Status, UploadIds, UploadPage, UploadStatus

router = APIRouter(prefix="/uploads", tags=["uploads"])


# Plain functions, here and below: FastAPI runs them in threads, as the database blocks.
@router.get("", summary="List uploads", responses=problem_responses(InvalidFieldError))
def list_uploads(
    service: ServiceDep,
    dataset: Annotated[
        str | None, Query(description="only this dataset", json_schema_extra={"pattern": DATASET_NAME_PATTERN})
    ] = None,
    status: Annotated[Status | None, Query(description="only uploads that stand there")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="uploads a page")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=500, description="`next_cursor` of the page before", json_schema_extra={"format": "cursor"}),
    ] = None,
) -> UploadPage:
    """Return a page of uploads, the newest first."""
    if dataset is not None:
        check_dataset_name(dataset)
    state = None if status is None else status.state
    return service.list_uploads(limit=limit, cursor=cursor, dataset_name=dataset, state=state)


@router.post("/known", summary="Which of these uploads are known", responses=problem_responses())
def find_known(ids: UploadIds, service: ServiceDep) -> KnownUploads:
    """Return those of up to 500 ids that belong to uploads of this uploader, in one query; deleted uploads are known.

    The listener asks this for each batch of messages, as anybody who can write to the topic can name any id.
    """
    return service.known_uploads(ids.upload_ids)


@router.get("/{upload_id}/status", summary="Where an upload stands", responses=problem_responses(UploadNotFoundError))
def get_status(upload_id: UploadIdPath, service: ServiceDep) -> UploadStatus:
    """Return the state, the moments and the errors of an upload and of each of its chunks."""
    return service.status(upload_id)


@router.get(
    "/{upload_id}/manifest",
    summary="The manifest of an upload",
    responses=problem_responses(UploadNotFoundError, UploadGoneError),
)
def get_manifest(upload_id: UploadIdPath, service: ServiceDep) -> Manifest:
    """Return what lies where, with all that is needed to prove that it is the file that was sent."""
    return service.manifest(upload_id)


@router.post(
    "/{upload_id}/announce",
    status_code=202,
    summary="Announce again what has not landed",
    responses=problem_responses(UploadNotFoundError, UploadGoneError, PublishError),
)
def announce_again(
    upload_id: UploadIdPath, service: ServiceDep, request: Request, background: BackgroundTasks
) -> UploadStatus:
    """Announce every chunk again that has not landed, also those that have failed; their attempts count from 0.

    Where all have landed, one is announced and no state changes: the run that takes it writes the upload's manifest to
    the bucket, should that have failed before. Nobody repeats this one where Kafka does not take it (503).
    """
    status = service.announce_again(upload_id)
    background.add_task(request.app.state.wake_outbox)
    return status


@router.delete(
    "/{upload_id}",
    summary="Give an upload up",
    responses=problem_responses(UploadNotFoundError, UploadInProgressError),
)
def delete_upload(
    upload_id: UploadIdPath,
    service: ServiceDep,
    force: Annotated[bool, Query(description="also where chunks are on their way to the bucket")] = False,
) -> UploadStatus:
    """Remove the files of an upload and announce no more of it; what lies in the bucket stays there.

    A chunk that is on its way is asked for in vain then (410), and the run that relays it fails; so this is refused
    unless ``force`` is set. The Idempotency-Key of the upload is free again.
    """
    return service.delete(upload_id, force=force)
