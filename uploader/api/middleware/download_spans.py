"""A span for each download of a chunk, from the request to the last byte: in the trace that the request names."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.spans import SpanKind, Spans
from contracts.traceparent import find_traceparent

_DOWNLOAD = re.compile(r"/chunks/([0-9a-f]{32})/([0-9]{1,10})/download")


class DownloadSpans:
    """ASGI middleware; it is there only where tracing is on. The spans are those of the application's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, a download inside its span."""
        found = _DOWNLOAD.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        spans: Spans = scope["app"].state.spans
        parent = find_traceparent(Headers(scope=scope).items())
        attributes = {"csvpipe.upload_id": found[1], "csvpipe.chunk_id": int(found[2])}
        with spans.span("download", parent=parent, kind=SpanKind.SERVER, attributes=attributes) as span:

            async def note_and_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attributes({"http.response.status_code": message["status"]})
                await send(message)

            await self._app(scope, receive, note_and_send)
