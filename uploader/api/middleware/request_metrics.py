"""Request counters around everything else, so that requests without a route are counted too."""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uploader.monitoring.metrics import UploaderMetrics

_NO_ANSWER = "none"
"""Status of a request that was aborted before the response."""


class RequestMetrics:
    """ASGI middleware. It reads the first message of a response only, not the body; a stream counts when it ends."""

    def __init__(self, app: ASGIApp, *, metrics: UploaderMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _NO_ANSWER
        started = time.perf_counter()
        stream_began: float | None = None

        async def watch(message: Message) -> None:
            nonlocal status, stream_began
            if message["type"] == "http.response.start":
                status = str(message["status"])
                if _is_stream(message):
                    stream_began = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            status = "500" if status == _NO_ANSWER else status  # an outer middleware responds
            raise
        finally:
            self._metrics.count_request(
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                # A stream of events is open for hours, which is not slow.
                duration_s=(stream_began or time.perf_counter()) - started,
            )


def _is_stream(start: Message) -> bool:
    return Headers(raw=start.get("headers", [])).get("content-type", "").startswith("text/event-stream")
