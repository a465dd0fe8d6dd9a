"""A span for each download of a chunk, from the request to the last byte, in the trace named by the request."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.spans import SpanKind
from contracts.traceparent import find_traceparent
from uploader.api.runtime import runtime_of

_DOWNLOAD = re.compile(r"/chunks/([0-9a-f]{32})/([0-9]{1,10})/download(/v1[^/]*)?")


class DownloadSpans:
    """ASGI middleware; installed only if tracing is enabled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, a download within a span."""
        found = _DOWNLOAD.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        spans = runtime_of(scope["app"]).spans
        parent = find_traceparent(Headers(scope=scope).items())
        attributes = {"csvpipe.upload_id": found[1], "csvpipe.chunk_id": int(found[2])}
        with spans.span("download", parent=parent, kind=SpanKind.SERVER, attributes=attributes) as span:

            async def record_and_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attributes({"http.response.status_code": message["status"]})
                await send(message)

            await self._app(scope, receive, record_and_send)
