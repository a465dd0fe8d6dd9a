"""The body of a request, read into buffers of the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol


class Body(Protocol):
    """A body that is read once, from start to end."""

    async def read_into(self, view: memoryview, *, fill: bool, on_bytes: Callable[[int], None]) -> int:
        """Read the next bytes into ``view`` and return their number; 0 if the body has ended.

        Args:
            view: the buffer; not empty.
            fill: wait until ``view`` is full or the body ends; otherwise return as soon as any bytes are there.
            on_bytes: called with the number of bytes whenever some are in ``view``. If this raises or is cancelled,
                these are all that were read.

        Raises:
            UploadAbortedError: the client has disconnected.
        """
        ...


class StreamedBody:
    """A body that arrives in pieces, as ASGI delivers it; every byte is copied once more."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    async def read_into(self, view: memoryview, *, fill: bool, on_bytes: Callable[[int], None]) -> int:
        """Read the next bytes into ``view`` (see :class:`Body`)."""
        filled = 0
        while filled < len(view) and (fill or not filled):
            if not self._rest:
                piece = await anext(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
            copied = min(len(self._rest), len(view) - filled)
            view[filled : filled + copied] = self._rest[:copied]
            self._rest = self._rest[copied:]
            filled += copied
            on_bytes(copied)
        return filled
