"""How the answer to a request ends its connection: not before the client could read it."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Answering(Protocol):
    """The protocol that the answer goes through."""

    transport: asyncio.Transport

    def end_after_answer(self) -> None:
        """Close the connection."""

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is answered."""
        ...


class ResponseTransport:
    """The transport as one request's answer sees it."""

    def __init__(self, http: Answering) -> None:
        self._http = http

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        self._http.transport.write(data)

    def close(self) -> None:
        """Close the connection, after the client has read its answer."""
        self._http.end_after_answer()

    def is_closing(self) -> bool:
        """Return whether nothing more is sent."""
        return self._http.is_ending


def closing_unasked(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Wrap ``app``: a client that was not asked for its body may send it or not, so nothing can follow the answer."""

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def send_or_close(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and cycle.waiting_for_100_continue and cycle.more_body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_or_close)

    return cast("ASGI3Application", run)
