"""``/audit``: the audit records, and the chains that they form."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from contracts.api import DateAndTime
from contracts.audit import MAX_PAGE, AuditAction, AuditChainPage, AuditChains, AuditPage
from contracts.message import UploadId
from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from uploader.access.permissions import Permission
from uploader.api.guards import Guard
from uploader.api.problems import problem_responses
from uploader.api.runtime import RuntimeDep
from uploader.errors import InvalidFieldError
from uploader.settings import REPLICA_NAME
from uploader.store.audit import AuditQuery
from uploader.uploads.audit_cursors import read_audit_cursor, write_audit_cursor

router = APIRouter(prefix="/audit", tags=["audit"], dependencies=[Depends(Guard(Permission.ADMIN))])
_MAX_TEXT = 128
_Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Records per page")]


# Not async, here and below: FastAPI runs them in threads, because the database blocks.
@router.get("", summary="List audit records", responses=problem_responses(InvalidFieldError))
def list_records(
    *,
    runtime: RuntimeDep,
    since: Annotated[DateAndTime | None, Query(description="Only records of this time or later")] = None,
    until: Annotated[DateAndTime | None, Query(description="Only records before this time")] = None,
    actor: Annotated[
        str | None, Query(max_length=_MAX_TEXT, description="Only records of this API key (its name or id)")
    ] = None,
    action: Annotated[AuditAction | None, Query(description="Only records of this action")] = None,
    outcome: Annotated[
        str | None, Query(max_length=64, pattern="^[a-z_]+$", description="`done`, or the error code of a refusal")
    ] = None,
    dataset: Annotated[
        str | None,
        Query(
            description="Only records of uploads of this dataset", json_schema_extra={"pattern": DATASET_NAME_PATTERN}
        ),
    ] = None,
    upload_id: Annotated[UploadId | None, Query(description="Only records of this upload")] = None,
    replica: Annotated[
        str | None, Query(pattern=REPLICA_NAME, description="Only records that this replica wrote")
    ] = None,
    limit: _Limit = 50,
    cursor: Annotated[
        str | None,
        Query(
            max_length=500,
            description="`next_cursor` of the previous page",
            json_schema_extra={"format": "audit-cursor"},
        ),
    ] = None,
) -> AuditPage:
    """Return a page of audit records of all replicas, the newest first."""
    if dataset is not None:
        check_dataset_name(dataset)
    query = AuditQuery(
        limit=limit + 1,
        after=None if cursor is None else read_audit_cursor(cursor),
        since=since,
        until=until,
        actor=None if actor is None else actor.replace("\x00", ""),
        action=action,
        outcome=outcome,
        dataset=dataset,
        upload_id=upload_id,
        replica=replica,
    )
    found = runtime.store.audit.list_page(query)
    page = found[:limit]
    return AuditPage(records=page, next_cursor=write_audit_cursor(page[-1]) if len(found) > limit else None)


@router.get("/chains", summary="List the audit chains", responses=problem_responses())
def list_chains(runtime: RuntimeDep) -> AuditChains:
    """Return the replicas that have a chain of audit records, whether they are running or not."""
    return AuditChains(replicas=runtime.store.audit.replicas())


@router.get("/chains/{replica}", summary="Read an audit chain", responses=problem_responses())
def read_chain(
    runtime: RuntimeDep,
    replica: Annotated[str, Path(pattern=REPLICA_NAME)],
    after: Annotated[
        int | None, Query(ge=0, lt=2**63, description="`sequence` of the last record of the previous page")
    ] = None,
    limit: _Limit = MAX_PAGE,
) -> AuditChainPage:
    """Return records of one chain in their order, for a check of every hash, and the head of the chain.

    A replica without a chain has no records and no head. The chain is complete if the last record is the head.
    """
    records, head = runtime.store.audit.read_chain(replica, after=after, limit=limit)
    return AuditChainPage(records=records, head=head)
