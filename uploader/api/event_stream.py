"""A response of server-sent events (the text/event-stream of HTML)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

COMMENT = b":\n\n"
"""Shows the client, and every proxy in between, that the stream is alive."""


class EventStream(StreamingResponse):
    """Sends ``frames`` as they come, one at a time, when the client has read the one before."""

    def __init__(self, frames: AsyncGenerator[bytes], *, resources: AsyncExitStack) -> None:
        """Take over ``resources``, which are released when the response ends, however it does."""
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(frames, media_type="text/event-stream", headers=headers)
        self._frames = frames
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        async with self._resources, aclosing(self._frames):
            await super().__call__(scope, receive, send)


def event(name: str, data: str, *, retry_ms: int | None = None) -> bytes:
    """Return an event; ``data`` has no line ends. The client reconnects ``retry_ms`` after the stream breaks."""
    retry = "" if retry_ms is None else f"retry: {retry_ms}\n"
    return f"{retry}event: {name}\ndata: {data}\n\n".encode()
