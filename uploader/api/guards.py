"""What a route needs, declared at its decorator, and the principal of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from contracts.permissions import Permission
from uploader.access.errors import PermissionDeniedError
from uploader.access.principal import Principal


class Guard:
    """What a route needs: ``dependencies=[Depends(Guard(Permission.READ))]``. Every route has one.

    :class:`uploader.api.middleware.access_control.AccessControl` finds it, and decides before the body is read.
    """

    def __init__(
        self, permission: Permission | None, *, needs_key: bool = True, dataset_parameter: str | None = None
    ) -> None:
        """Declare what is needed.

        Args:
            permission: None if any key is enough.
            needs_key: False if anyone may call.
            dataset_parameter: a parameter of the query that names the dataset that the permission is needed on.
        """
        self.permission = permission
        self.needs_key = needs_key
        self.dataset_parameter = dataset_parameter

    async def __call__(self, request: Request) -> None:
        """Check the permission once more, in case the request did not come through the middleware.

        Raises:
            PermissionDeniedError: the principal lacks the permission.
        """
        self.check(principal_of(request), request)

    def check(self, principal: Principal, request: Request) -> None:
        """Check that ``principal`` may make ``request``, as far as its address tells.

        Raises:
            PermissionDeniedError: they may not.
        """
        if self.permission is None:
            return
        check_permission(principal, self.permission)
        if self.dataset_parameter is not None:
            for dataset in request.query_params.getlist(self.dataset_parameter):
                check_permission(principal, self.permission, dataset)


ANYONE = Guard(None, needs_key=False)
ANY_KEY = Guard(None)


def guard_of(route: BaseRoute) -> Guard | None:
    """Return what ``route`` needs, or None if it does not say."""
    if not isinstance(route, APIRoute):
        return None
    return next((each.dependency for each in route.dependencies if isinstance(each.dependency, Guard)), None)


def check_guards(router: APIRouter) -> None:
    """Check that every route of ``router`` has a guard.

    Raises:
        RuntimeError: one has none, so anyone could call it.
    """
    for route in router.routes:
        if isinstance(route, APIRoute) and guard_of(route) is None:
            raise RuntimeError(f"{route.path} has no Guard: declare who may call it (see uploader/api/guards.py)")


def check_permission(principal: Principal, permission: Permission, dataset: str | None = None) -> None:
    """Check that ``principal`` has ``permission``, on ``dataset`` if one is given.

    Raises:
        PermissionDeniedError: it has not.
    """
    if not principal.may(permission, dataset):
        where = "" if dataset is None else " on this dataset"
        raise PermissionDeniedError(
            f"this call needs the permission {permission}{where}, which the key does not have", permission=permission
        )


def principal_of(request: Request) -> Principal:
    """Return who makes ``request``."""
    principal: Principal = request.state.principal
    return principal


async def _principal(request: Request) -> Principal:
    return principal_of(request)


PrincipalDep = Annotated[Principal, Depends(_principal)]
