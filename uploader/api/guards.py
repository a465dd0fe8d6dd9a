"""What a route needs, declared at its decorator, and the principal of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from uploader.access.permissions import Permission
from uploader.access.principal import Principal
from uploader.errors import PermissionDeniedError


class Guard:
    """A dependency of each route that needs a permission: ``dependencies=[Depends(Guard(Permission.READ))]``.

    :class:`uploader.api.middleware.access_control.AccessControl` finds it, and decides before the body is read.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Check the permission once more, in case the request did not come through the middleware.

        Raises:
            PermissionDeniedError: the principal lacks the permission.
        """
        check_permission(principal_of(request), self.permission)


def check_permission(principal: Principal, permission: Permission, dataset: str | None = None) -> None:
    """Check that ``principal`` has ``permission``, on ``dataset`` if one is given.

    Raises:
        PermissionDeniedError: it has not.
    """
    if not principal.may(permission, dataset):
        where = "" if dataset is None else f" on dataset {dataset}"
        raise PermissionDeniedError(
            f"this call needs the permission {permission}{where}, which the key does not have", permission=permission
        )


def principal_of(request: Request) -> Principal:
    """Return who makes ``request``."""
    principal: Principal = request.state.principal
    return principal


PrincipalDep = Annotated[Principal, Depends(principal_of)]
