"""``/keys``: the API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from contracts.api import Key, KeyList, KeyRotation, KeyWithSecret, NewKey
from contracts.names import KEY_ID_PATTERN
from contracts.permissions import Permission
from uploader.access.errors import KeyExistsError, KeyNotFoundError, KeyRevokedError
from uploader.api.actors import ActorDep
from uploader.api.guards import Guard
from uploader.api.problems import problem_responses
from uploader.api.runtime import RuntimeDep
from uploader.errors import BodyTimeoutError, BodyTooLargeError, InvalidFieldError

router = APIRouter(prefix="/keys", tags=["keys"])
_ADMIN = [Depends(Guard(Permission.ADMIN))]
_KeyIdPath = Annotated[str, Path(pattern=KEY_ID_PATTERN, description="The 8 characters after `csvp_`")]
_BODY = (BodyTooLargeError, BodyTimeoutError)


# Not async, here and below: FastAPI runs them in threads, because the database blocks.
@router.post(
    "",
    dependencies=_ADMIN,
    status_code=201,
    summary="Create a key",
    responses=problem_responses(InvalidFieldError, KeyExistsError, *_BODY),
)
def create_key(wanted: NewKey, runtime: RuntimeDep, actor: ActorDep, response: Response) -> KeyWithSecret:
    """Create a key. Its secret is in this response only: the uploader keeps a hash of it.

    A key that was made elsewhere is registered by sending it in `key`. Repeating that changes nothing.
    """
    created = runtime.keys.create(wanted, actor=actor)
    response.headers["Location"] = f"/keys/{created.key_id}"
    return created


@router.get("", dependencies=_ADMIN, summary="List keys", responses=problem_responses())
def list_keys(runtime: RuntimeDep) -> KeyList:
    """Return all keys, the oldest first, revoked ones included."""
    return runtime.keys.list_keys()


@router.get("/{key_id}", dependencies=_ADMIN, summary="Get a key", responses=problem_responses(KeyNotFoundError))
def get_key(key_id: _KeyIdPath, runtime: RuntimeDep) -> Key:
    """Return what the holder of a key may do, and whether it is used."""
    return runtime.keys.show(key_id)


@router.delete("/{key_id}", dependencies=_ADMIN, summary="Revoke a key", responses=problem_responses(KeyNotFoundError))
def revoke_key(key_id: _KeyIdPath, runtime: RuntimeDep, actor: ActorDep) -> Key:
    """Revoke a key for good: every process refuses it within 5 seconds. It stays in the list."""
    return runtime.keys.revoke(key_id, actor=actor)


@router.post(
    "/{key_id}/rotate",
    dependencies=_ADMIN,
    summary="Rotate a key",
    responses=problem_responses(KeyNotFoundError, KeyRevokedError, *_BODY),
)
def rotate_key(
    key_id: _KeyIdPath,
    runtime: RuntimeDep,
    actor: ActorDep,
    rotation: KeyRotation | None = None,
) -> KeyWithSecret:
    """Give a key a new secret, which is in this response only. The present one still works for `grace_s` seconds."""
    grace = timedelta(seconds=(rotation or KeyRotation()).grace_s)
    return runtime.keys.rotate(key_id, grace=grace, actor=actor)
