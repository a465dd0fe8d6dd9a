"""``/datasets``: what was uploaded into each dataset."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from contracts.datasets import DatasetDetail, DatasetList
from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from contracts.permissions import Permission
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.problems import problem_responses
from uploader.api.runtime import RuntimeDep
from uploader.errors import DatasetNotFoundError, ManifestUnavailableError

router = APIRouter(prefix="/datasets", tags=["datasets"], dependencies=[Depends(Guard(Permission.READ))])


# Not async: FastAPI runs them in threads, because the database blocks.
@router.get("", summary="List datasets", responses=problem_responses(ManifestUnavailableError))
def list_datasets(
    *,
    runtime: RuntimeDep,
    principal: PrincipalDep,
    limit: Annotated[int, Query(ge=1, le=200, description="Datasets per page")] = 50,
    cursor: Annotated[
        str | None,
        Query(description="`next_cursor` of the previous page", json_schema_extra={"pattern": DATASET_NAME_PATTERN}),
    ] = None,
) -> DatasetList:
    """Return a page of datasets with their totals, by name. Deleted uploads do not count."""
    if cursor is not None:
        check_dataset_name(cursor)
    return runtime.datasets.list_datasets(principal, limit=limit, cursor=cursor)


@router.get(
    "/{name}",
    summary="Get a dataset",
    responses=problem_responses(DatasetNotFoundError, ManifestUnavailableError),
)
def get_dataset(
    name: Annotated[str, Path(description="Name of the dataset", json_schema_extra={"pattern": DATASET_NAME_PATTERN})],
    runtime: RuntimeDep,
    principal: PrincipalDep,
) -> DatasetDetail:
    """Return the totals of one dataset, its columns, and the uploads that have changed them."""
    return runtime.datasets.show(check_dataset_name(name), principal)
