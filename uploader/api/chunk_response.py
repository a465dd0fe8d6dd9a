"""The answer to a download: a chunk file, whole or one range of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import aiofiles
from aiofiles.threadpool.binary import AsyncBufferedReader
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from uploader.errors import ChunkGoneError

PIECE_BYTES = 64 * 1024
"""What is read and sent at a time: a client that reads slowly costs a few times as much."""


class ChunkResponse(Response):
    """Sends the file at ``path``, or the bytes ``span`` of it (206).

    The content type is ``text/csv`` without a charset: Latin-1 stays Latin-1.

    Raises:
        FileNotFoundError: the file was removed (by the constructor).
        ChunkGoneError: it was removed since (when the response is sent).
    """

    media_type = None

    def __init__(self, path: Path, *, etag: str, span: range | None, headers: Mapping[str, str]) -> None:
        state = path.stat()
        self._path = path
        self._span = range(state.st_size) if span is None else span
        own = {
            "content-type": "text/csv",
            "content-length": str(len(self._span)),
            "content-disposition": f'attachment; filename="{path.name}"',
            "accept-ranges": "bytes",
            "last-modified": formatdate(state.st_mtime, usegmt=True),
            "etag": etag,
        }
        if span is not None:
            own["content-range"] = f"bytes {span.start}-{span.stop - 1}/{state.st_size}"
        super().__init__(status_code=200 if span is None else 206, headers={**headers, **own})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and bytes; for HEAD the head alone."""
        try:
            # Before the answer starts: afterwards it could only be broken off, should no file handle be left.
            file = await aiofiles.open(self._path, "rb")
        except FileNotFoundError as error:
            raise ChunkGoneError(f"the file {self._path.name} was removed just now") from error
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._send_span(file, receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await file.close()

    async def _send_span(self, file: AsyncBufferedReader, receive: Receive, send: Send) -> None:
        await file.seek(self._span.start)
        left = len(self._span)
        gone = asyncio.create_task(_wait_for_disconnect(receive))  # uvicorn's send does not say that the client left
        try:
            while left and not gone.done() and (piece := await file.read(min(PIECE_BYTES, left))):
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
