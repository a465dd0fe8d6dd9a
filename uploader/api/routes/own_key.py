"""``/own-key``: what the caller may do."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from contracts.api import KeyOfCaller
from uploader.api.guards import ANY_KEY, PrincipalDep
from uploader.api.key_of_caller import key_of
from uploader.api.problems import problem_responses

router = APIRouter(prefix="/own-key", tags=["keys"])


@router.get(
    "",
    dependencies=[Depends(ANY_KEY)],
    summary="Get the caller's own key",
    responses=problem_responses(),
)
async def get_own_key(principal: PrincipalDep) -> KeyOfCaller:
    """Return what the key of this request permits. Any valid key may ask, whatever its permissions."""
    return key_of(principal)
