"""Downloads end when their client disconnects, and wait for one that does not read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.types import Message, Scope

from uploader.api.chunk_response import PIECE_BYTES, ChunkResponse

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


def sent_bytes(path: Path, *, leaves_after: int) -> int:
    """Send ``path`` to a client that breaks off after so many pieces; return the bytes that were sent."""

    async def run() -> int:
        sent, left = 0, asyncio.Event()
        messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        pieces = 0

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal sent, pieces
            sent += len(message.get("body", b""))
            pieces += message["type"] == "http.response.body"
            if pieces == leaves_after:
                left.set()
            await asyncio.sleep(0)

        response = ChunkResponse(path, etag='"a"', byte_range=None, headers={})
        await asyncio.wait_for(response(SCOPE, receive, send), 60)
        return sent

    return asyncio.run(run())


def test_download_ends_when_the_client_disconnects(tmp_path: Path) -> None:
    path = tmp_path / "chunk.csv"
    path.write_bytes(b"a" * (100 * PIECE_BYTES))
    assert sent_bytes(path, leaves_after=3) < 10 * PIECE_BYTES


def test_download_is_complete_if_the_client_stays_connected(tmp_path: Path) -> None:
    path = tmp_path / "chunk.csv"
    path.write_bytes(b"a" * (5 * PIECE_BYTES + 1))
    assert sent_bytes(path, leaves_after=100) == 5 * PIECE_BYTES + 1


def test_next_piece_is_read_only_after_the_client_has_taken_the_last(tmp_path: Path) -> None:
    path = tmp_path / "chunk.csv"
    path.write_bytes(b"a" * (2 * PIECE_BYTES))
    pieces: list[bytes] = []

    async def run() -> None:
        client_waits, client_reads, waiting = False, asyncio.Event(), asyncio.Event()

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            nonlocal client_waits
            if client_waits:  # as uvicorn, which waits before it takes another message
                waiting.set()
                await client_reads.wait()
            if message.get("body"):
                pieces.append(message["body"])
                client_waits = True

        response = ChunkResponse(path, etag='"a"', byte_range=None, headers={})
        sending = asyncio.create_task(response(SCOPE, receive, send))
        await asyncio.wait_for(waiting.wait(), 60)
        path.write_bytes(b"b" * (2 * PIECE_BYTES))
        client_reads.set()
        await asyncio.wait_for(sending, 60)

    asyncio.run(run())
    assert pieces == [b"a" * PIECE_BYTES, b"b" * PIECE_BYTES]
