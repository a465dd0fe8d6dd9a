"""The end of a connection after a response, which gives the client time to read the response."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class ResponseConnection(Protocol):
    """The protocol that sends the response."""

    transport: asyncio.Transport

    def end_after_response(self) -> None:
        """Close the connection gracefully."""

    @property
    def is_ending(self) -> bool:
        """Whether no further responses are sent."""
        ...


class ResponseTransport:
    """The transport as seen by the response to one request."""

    def __init__(self, http: ResponseConnection) -> None:
        self._http = http

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        self._http.transport.write(data)

    def close(self) -> None:
        """Close the connection after the client has read its response."""
        self._http.end_after_response()

    def is_closing(self) -> bool:
        """Return whether no further responses are sent."""
        return self._http.is_ending


def close_if_body_not_requested(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Wrap ``app`` so that a response without a preceding 100 Continue ends the connection.

    A client that was not asked for its body may send it or not, so no request can follow.
    """

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def send_or_close(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and cycle.waiting_for_100_continue and cycle.more_body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_or_close)

    return cast("ASGI3Application", run)
