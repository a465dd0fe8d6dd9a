"""The headers that every response to a tus client has, errors and refusals included."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploader.api.middleware.body_limit import RESUMABLE_PATH
from uploader.resumable.tus_headers import VERSION


class TusResponses:
    """ASGI middleware. It adds ``Tus-Resumable``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its response."""
        if scope["type"] != "http" or not _is_resumable(scope):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                if message["status"] == 412:
                    headers["Tus-Version"] = VERSION
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_resumable(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == RESUMABLE_PATH or path.startswith(f"{RESUMABLE_PATH}/")
