"""``/uploads/{upload_id}``: what helps to read an upload."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from contracts.permissions import Permission
from contracts.reading import MAX_FIRST_ROWS, FirstRows, Links, Readers
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.path_parameters import UploadIdPath
from uploader.api.problems import problem_responses
from uploader.api.runtime import RuntimeDep
from uploader.errors import (
    BucketUnavailableError,
    ChunkGoneError,
    ChunkOnOtherReplicaError,
    ReplicaUnavailableError,
    TooManyOpenFilesError,
    UploadGoneError,
    UploadNotFoundError,
)

router = APIRouter(prefix="/uploads/{upload_id}", tags=["uploads"])
_READ = [Depends(Guard(Permission.READ))]
_GONE = (UploadNotFoundError, UploadGoneError)


# Not async, here and below: FastAPI runs them in threads, because disk, database and object store block.
@router.get(
    "/rows",
    dependencies=_READ,
    summary="Get the first rows of an upload",
    responses=problem_responses(
        *_GONE,
        ChunkGoneError,
        ChunkOnOtherReplicaError,
        BucketUnavailableError,
        ReplicaUnavailableError,
        TooManyOpenFilesError,
    ),
)
def get_first_rows(
    upload_id: UploadIdPath,
    runtime: RuntimeDep,
    principal: PrincipalDep,
    limit: Annotated[int, Query(ge=1, le=MAX_FIRST_ROWS, description="Rows to return")] = 20,
) -> FirstRows:
    """Return the column names and the first rows of an upload, from the file of its first chunk.

    If the file was cleaned up, they are read from the bucket; this needs `S3_ENDPOINT`. If the file is on another
    replica, it is fetched from there.
    """
    return runtime.reading.first_rows(upload_id, principal, limit=limit)


@router.get(
    "/readers",
    dependencies=_READ,
    summary="Get statements that read an upload",
    responses=problem_responses(*_GONE),
)
def get_readers(upload_id: UploadIdPath, runtime: RuntimeDep, principal: PrincipalDep) -> Readers:
    """Return statements of DuckDB, Polars, Spark and Trino that read the objects of an upload.

    They read every column as text, so that no value is changed. Replace the placeholders by your own credentials.
    """
    return runtime.reading.readers(upload_id, principal)


@router.get(
    "/links",
    dependencies=_READ,
    summary="Get links to an upload in other services",
    responses=problem_responses(UploadNotFoundError),
)
def get_links(upload_id: UploadIdPath, runtime: RuntimeDep, principal: PrincipalDep) -> Links:
    """Return where Airflow shows the runs of an upload, and other services its objects and its trace.

    Without an address of a service (`AIRFLOW_URL`, `BUCKET_BROWSER_URL`, `TRACE_URL`) there is no link to it.
    """
    return runtime.reading.links(upload_id, principal)
