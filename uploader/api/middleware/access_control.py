"""The decision who may make a request, on its headers, before a byte of its body is read."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import CsvPipeError
from uploader.access.credentials import find_credentials
from uploader.access.principal import EVERYBODY, NOBODY, Principal
from uploader.api.guards import ANYONE, Guard, guard_of
from uploader.api.middleware.session_cookies import has_session
from uploader.api.open_requests import has_open_access
from uploader.api.problems import problem_response
from uploader.api.runtime import runtime_of
from uploader.settings import Settings


class AccessControl:
    """ASGI middleware. It puts the :class:`uploader.access.principal.Principal` into ``request.state.principal``."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its principal, or respond with 401 or 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            guard = _find_guard(scope)
            request.state.principal = await self._authenticate(request, guard)
            guard.check(request.state.principal, request)
        except CsvPipeError as error:
            await problem_response(request, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _authenticate(self, request: Request, guard: Guard) -> Principal:
        """Return who makes the request. A key that is presented is checked, also where none is needed.

        Raises:
            UnauthenticatedError: it has no valid key, and needs one.
            ManifestUnavailableError: the key cannot be looked up now.
        """
        if not guard.needs_key:
            return NOBODY
        if has_open_access(request, self._settings) and (has_session(request) or not find_credentials(request.headers)):
            return EVERYBODY  # also with the cookie of an earlier session, which may be invalid by now
        return await runtime_of(request.app).authenticator.authenticate(request.headers)


def _find_guard(scope: Scope) -> Guard:
    """Return the guard of the route that will get the request; ANYONE if there is none, which is answered with 404."""
    for route in scope["app"].routes:
        match, route_scope = route.matches(scope)
        if match is Match.FULL:
            scope["route"] = route_scope.get("route")  # for the metrics, also of a refused request
            return guard_of(route) or ANYONE
    return ANYONE
