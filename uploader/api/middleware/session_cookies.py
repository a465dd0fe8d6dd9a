"""The key in the cookie of a browser, passed on as if the request had it in its headers.

Cookies end here: nothing behind this middleware, logs and traces included, sees one.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from uploader.access.credentials import HEADER, find_credentials
from uploader.access.errors import UnauthenticatedError
from uploader.access.same_origin import is_same_origin
from uploader.access.session_cookie import find_session_key

_HAS_SESSION = "csvpipe_has_session"


class SessionCookies:
    """ASGI middleware. The cookie counts only in requests of the service's own pages, and if there is no other key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without its cookies."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "cookie" in headers:
                _take_cookies(scope, headers)
        await self._app(scope, receive, send)


def _take_cookies(scope: Scope, headers: Headers) -> None:
    """Change the scope in place: the outer middleware finds the route in it."""
    key = _find_key(scope, headers)
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != b"cookie"]
    if key is not None:
        scope["headers"].append((HEADER.lower().encode("latin-1"), key.encode("latin-1")))
        scope.setdefault("state", {})[_HAS_SESSION] = True


def _find_key(scope: Scope, headers: Headers) -> str | None:
    try:
        if find_credentials(headers) is not None:
            return None
    except UnauthenticatedError:  # several keys: the request is refused for it
        return None
    if not is_same_origin(headers, scheme=scope["scheme"], method=scope["method"]):
        return None
    return find_session_key(headers, scheme=scope["scheme"])


def has_session(request: Request) -> bool:
    """Return whether the key of ``request`` is that of its cookie."""
    return bool(getattr(request.state, _HAS_SESSION, False))
