"""Requests that offer another protocol, received by another HTTP server than the uploader's own.

httptools, the parser of other uvicorn servers, takes the body of such a request for the next request (httptools#124).
An application cannot get that body back, but it can keep it from being executed: uvicorn parses the following bytes,
but starts no request on a connection that it closes.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from uploader.api.middleware.last_response import send_as_last
from uploader.http.direct_body_protocol import SERVER_EXTENSION


class UpgradeOffers:
    """ASGI middleware: the response to a request that offers an upgrade is the last one of its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and close the connection after its response if it offers an upgrade."""
        if scope["type"] != "http" or SERVER_EXTENSION in scope.get("extensions", {}) or not _offers_upgrade(scope):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, send_as_last(send))


def _offers_upgrade(scope: Scope) -> bool:
    return scope["method"] == "CONNECT" or any(name == b"upgrade" for name, _ in scope["headers"])
