"""The response that is the last one of its connection, because the request's body is not read."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


def send_as_last(send: Send) -> Send:
    """Wrap ``send`` so that the connection is closed after the response."""

    async def send_message(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return send_message
