"""The decision who may make a request, on its headers, before a byte of its body is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from uploader.access.principal import EVERYBODY


class AccessControl:
    """ASGI middleware. It puts the :class:`uploader.access.principal.Principal` into ``request.state.principal``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its principal."""
        if scope["type"] == "http":
            scope.setdefault("state", {})["principal"] = EVERYBODY
        await self._app(scope, receive, send)
