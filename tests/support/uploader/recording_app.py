"""An ASGI application that records its requests, in a real uvicorn on a free port, in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.types import Receive, Scope, Send

from tests.support.waiting import wait_until
from uploader.api.middleware.upgrade_offers import UpgradeOffers
from uploader.errors import UploadAbortedError
from uploader.http.direct_body import take_direct_body

DIRECT = "/direct"
UNREAD = "/unread"


@dataclass(frozen=True)
class Seen:
    """One request as the application saw it."""

    method: str
    path: str
    body: bytes


@dataclass
class RecordingApp:
    """Answers each request with its path. It reads bodies past ASGI below ``/direct``, and none below ``/unread``."""

    started: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request, as soon as it comes."""
    complete: list[Seen] = field(default_factory=list)
    """Each request whose body was read to its end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note and answer one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        self.started.append((scope["method"], path))
        body = b"" if path.startswith(UNREAD) else await _read(scope, receive)
        if body is None:
            return
        self.complete.append(Seen(scope["method"], path, body))
        content = path.encode()
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body; None: the client broke off."""
    direct = take_direct_body(scope) if scope["path"].startswith(DIRECT) else None
    if direct is None:
        return await _read_messages(receive)
    content, buffer = b"", memoryview(bytearray(1000))
    try:
        while size := await direct.read_into(buffer, fill=False, on_bytes=lambda _: None):
            content += buffer[:size]
    except UploadAbortedError:
        return None
    finally:
        direct.close()
    return content


@contextmanager
def serving(app: RecordingApp, *, http: str) -> Iterator[int]:
    """Serve ``app`` with the protocol ``http``; give the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            UpgradeOffers(app), loop="uvloop", http=http, ws="none", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
        thread.start()
        try:
            wait_until(lambda: server.started, what="the application is served", deadline_s=120, poll_s=0.02)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


async def _read_messages(receive: Receive) -> bytes | None:
    content = bytearray()
    while (message := await receive())["type"] == "http.request":
        content += message["body"]
        if not message["more_body"]:
            return bytes(content)
    return None
