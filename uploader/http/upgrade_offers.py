"""Requests that offer another protocol, on a server that is not ours.

httptools, which other uvicorn servers parse with, takes the body of such a request for the next one (httptools#124).
An application cannot get that body back. It can see to it that nothing in it is carried out: uvicorn parses what
follows, but starts no request on a connection that it closes.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploader.http.protocol import SERVER_EXTENSION


class UpgradeOffers:
    """ASGI middleware: the answer to a request that offers an upgrade is the connection's last one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http" or SERVER_EXTENSION in scope.get("extensions", {}) or not _offers(scope):
            await self._app(scope, receive, send)
            return

        async def send_as_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_as_last)


def _offers(scope: Scope) -> bool:
    return scope["method"] == "CONNECT" or any(name == b"upgrade" for name, _ in scope["headers"])
