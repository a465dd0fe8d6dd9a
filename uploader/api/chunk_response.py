"""The response to a download: a whole chunk file or one range of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import aiofiles
from aiofiles.threadpool.binary import AsyncFileIO
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from uploader.errors import ChunkGoneError

PIECE_BYTES = 64 * 1024
"""Bytes read and sent at a time, and what a client that does not read keeps in memory."""


class ChunkResponse(Response):
    """Sends the file at ``path``, or its bytes ``byte_range`` (206).

    The content type is ``text/csv`` without a charset: Latin-1 stays Latin-1.

    Raises:
        FileNotFoundError: the file was removed (raised by the constructor).
        ChunkGoneError: the file was removed later (raised when the response is sent).
    """

    media_type = None

    def __init__(self, path: Path, *, etag: str, byte_range: range | None, headers: Mapping[str, str]) -> None:
        state = path.stat()
        self._path = path
        self._range = range(state.st_size) if byte_range is None else byte_range
        own = {
            "content-type": "text/csv",
            "content-length": str(len(self._range)),
            "content-disposition": f'attachment; filename="{path.name}"',
            "accept-ranges": "bytes",
            "last-modified": formatdate(state.st_mtime, usegmt=True),
            "etag": etag,
        }
        if byte_range is not None:
            own["content-range"] = f"bytes {byte_range.start}-{byte_range.stop - 1}/{state.st_size}"
        super().__init__(status_code=200 if byte_range is None else 206, headers={**headers, **own})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and the bytes, or the head alone for HEAD."""
        try:
            # Before the response starts: afterwards a lack of file handles could only abort it.
            file = await aiofiles.open(self._path, "rb", buffering=0)
        except FileNotFoundError as error:
            raise ChunkGoneError(f"the file {self._path.name} has just been removed") from error
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._send_range(file, receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await file.close()

    async def _send_range(self, file: AsyncFileIO, receive: Receive, send: Send) -> None:
        await file.seek(self._range.start)
        left = len(self._range)
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))  # uvicorn's send does not report a disconnect
        try:
            while left and not disconnect.done() and (piece := await file.read(min(PIECE_BYTES, left))):
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                # uvicorn waits for a slow client when it is given the next message: before the next piece is read.
                await send({"type": "http.response.body", "body": b"", "more_body": True})
        finally:
            disconnect.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
