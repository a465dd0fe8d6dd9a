"""A limit on the body of every request except uploads and previews, because it is kept in memory."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploader.api.middleware.last_response import send_as_last
from uploader.api.problems import has_body, problem_response
from uploader.errors import BodyTimeoutError, BodyTooLargeError

UPLOAD_PATH = "/upload/csv"
RESUMABLE_PATH = "/files"
PREVIEW_PATH = "/preview"
MAX_BODY_BYTES = 64 * 1024


class BodyLimit:
    """ASGI middleware. It reads the body, limited in time and size, and passes it on in one piece."""

    def __init__(self, app: ASGIApp, *, timeout_s: float, limit_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with 413 or 408."""
        if scope["type"] != "http" or _is_upload(scope) or not has_body(Request(scope)):
            await self._app(scope, receive, send)
            return
        if _is_redirected_upload(scope):
            await self._app(scope, receive, send_as_last(send))
            return
        try:
            message = await self._read(scope, receive)
        except (BodyTooLargeError, BodyTimeoutError) as error:
            response = problem_response(Request(scope), error)
            response.headers["Connection"] = "close"  # instead of waiting for the rest of the body
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(message, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> Message:
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > self._limit_bytes:
            raise self._too_large(f"the body has {declared} bytes")
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return message
                    body += message.get("body", b"")
                    if len(body) > self._limit_bytes:
                        raise self._too_large("the body is larger than allowed")
                    if not message.get("more_body", False):
                        return {"type": "http.request", "body": bytes(body), "more_body": False}
        except TimeoutError as error:
            raise BodyTimeoutError(
                f"the body was incomplete after {self._timeout_s:g} seconds (REQUEST_TIMEOUT_S); send it again"
            ) from error

    def _too_large(self, what: str) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"{what}; requests other than uploads are limited to {self._limit_bytes} bytes",
            max_body_bytes=self._limit_bytes,
        )


def _is_upload(scope: Scope) -> bool:
    path = _path_of(scope)
    if scope["method"] == "PATCH":
        return path.startswith(f"{RESUMABLE_PATH}/")
    return scope["method"] == "POST" and path in {UPLOAD_PATH, PREVIEW_PATH, RESUMABLE_PATH, f"{RESUMABLE_PATH}/"}


def _is_redirected_upload(scope: Scope) -> bool:
    """Return whether the response is a redirect to the address of uploads, where the body is to be sent again."""
    return scope["method"] == "POST" and _path_of(scope) == f"{UPLOAD_PATH}/"


def _path_of(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _replayed(message: Message, receive: Receive) -> Receive:
    messages = [message]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
