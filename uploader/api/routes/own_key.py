"""``/keys/self``: what the caller may do. Included before ``/keys/{key_id}``, which needs another permission."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends

from contracts.api import KeyOfCaller
from uploader.access.principal import Principal
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.problems import problem_responses
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.errors import KeyNotFoundError

router = APIRouter(prefix="/keys", tags=["keys"])


# Not async: FastAPI runs it in a thread, because the database blocks.
@router.get(
    "/self",
    dependencies=[Depends(Guard(None, any_key=True))],
    summary="Get the caller's own key",
    responses=problem_responses(),
)
def get_own_key(principal: PrincipalDep, runtime: RuntimeDep) -> KeyOfCaller:
    """Return what the key of this request permits. Any valid key may ask, whatever its permissions."""
    return KeyOfCaller(
        name=principal.name,
        permissions=sorted(principal.permissions),
        datasets=list(principal.datasets),
        uploads_per_minute=principal.uploads_per_minute,
        concurrent_uploads=principal.concurrent_uploads,
        max_file_size_mb=principal.max_file_size_mb,
        expires_at=_expires_at(principal, runtime),
    )


def _expires_at(principal: Principal, runtime: Runtime) -> datetime | None:
    if principal.key_id is None:
        return None
    try:
        return runtime.keys.show(principal.key_id).expires_at
    except KeyNotFoundError:  # a key of the settings: it does not expire
        return None
