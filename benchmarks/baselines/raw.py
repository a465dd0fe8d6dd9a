"""The same server, writing the body as it comes to one file: no parsing, no hash, no fsync."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Write the request's body to ``BENCH_DIR/raw``; everything else is answered at once."""
    if scope["method"] == "POST":
        with (Path(os.environ["BENCH_DIR"]) / "raw").open("wb", buffering=0) as file:
            more = True
            while more:
                message = await receive()
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
