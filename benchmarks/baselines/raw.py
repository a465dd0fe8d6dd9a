"""The same server, writing the body as it comes to one file: no parsing, no hash, no fsync."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401  the ASGI callables
    """Write the request's body to ``BENCH_DIR/raw``; everything else is answered at once."""
    assert scope["type"] == "http"  # noqa: S101  started without lifespan
    if scope["method"] == "POST":
        with (Path(os.environ["BENCH_DIR"]) / "raw").open("wb", buffering=0) as file:
            more = True
            while more:
                message = await receive()
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
