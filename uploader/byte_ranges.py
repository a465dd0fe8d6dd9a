"""Conditional and partial downloads (RFC 9110, 13 and 14), as far as Starlette's FileResponse leaves them open."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from uploader.errors import ChunkGoneError, RangeNotSatisfiableError

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


class ChunkResponse(FileResponse):
    """A chunk file. Serves one range; where several, or none that makes sense, are asked for, the whole file."""

    chunk_size = 64 * 1024  # so much, a few times, is what a client that reads slowly costs
    max_ranges = 1

    def __init__(self, path: Path, *, etag: str, headers: Mapping[str, str]) -> None:
        # Not "text/csv; charset=utf-8", which the base would make of it: Latin-1 stays Latin-1.
        own = {"etag": etag, "content-type": "text/csv"}
        super().__init__(path, headers={**headers, **own}, filename=path.name, stat_result=path.stat())
        self._file: anyio.AsyncFile[bytes] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the range asked for."""
        if _asked(Headers(scope=scope), etag=self.headers["etag"]) is None:
            # The base answers 400 to a unit that it does not know; section 14.2 says to ignore the header. It takes
            # dates in If-Range too, and answers in its own way where the range then lies behind the end.
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}
        try:
            # Before the answer starts: afterwards it could only be broken off, should there be no file handle left.
            self._file = await anyio.open_file(self.path, "rb")
            await super().__call__(scope, receive, send)
        except FileNotFoundError as error:
            raise ChunkGoneError(f"the file {Path(self.path).name} was removed just now") from error
        finally:
            await self._close()

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[anyio.AsyncFile[bytes]]:
        """Give the base the file that is open already."""
        assert self._file is not None  # noqa: S101  see __call__
        yield self._file

    async def _close(self) -> None:
        if self._file is not None:
            with anyio.CancelScope(shield=True):
                await self._file.aclose()


def check_range(headers: Mapping[str, str], *, etag: str, size_bytes: int) -> None:
    """Check that the range asked for can be served.

    Raises:
        RangeNotSatisfiableError: it lies behind the end.
    """
    asked = _asked(headers, etag=etag)
    if asked is None:
        return
    start, end = asked
    is_suffix = start == ""
    if size_bytes == 0 or (int(end) == 0 if is_suffix else int(start) >= size_bytes):
        raise RangeNotSatisfiableError(
            f"Range {headers['range']} lies outside the chunk's {size_bytes} bytes", size_bytes=size_bytes
        )


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Return whether the client says that it has this very chunk (weak comparison, RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))


def _asked(headers: Mapping[str, str], *, etag: str) -> tuple[str, str] | None:
    """Return the range to heed: none where If-Range is there and is not the (strong) ETag."""
    return _byte_range(headers.get("range")) if headers.get("if-range", etag) == etag else None


def _byte_range(value: str | None) -> tuple[str, str] | None:
    """Return first and last byte of a range that is to be heeded; one of the two may be empty."""
    found = None if value is None else _SINGLE_RANGE.fullmatch(value.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    start, end = found.groups()
    return None if start and end and int(end) < int(start) else (start, end)
