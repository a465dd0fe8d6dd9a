"""The body of a request as the intake reads it: into buffers of ours, and no other way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol


class Body(Protocol):
    """A body that is read once, from start to end."""

    async def read_into(self, view: memoryview, *, fill: bool, arrived: Callable[[int], None]) -> int:
        """Put the next bytes into ``view`` and return how many they are; 0: the body has ended.

        Args:
            view: where to; not empty.
            fill: wait until ``view`` is full or the body ends; else whatever has come is enough.
            arrived: called with the number of bytes whenever some have come.

        Raises:
            UploadAbortedError: the client broke off.
        """
        ...


class StreamedBody:
    """A body that comes in pieces, as ASGI gives it; each byte is copied once more."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    async def read_into(self, view: memoryview, *, fill: bool, arrived: Callable[[int], None]) -> int:
        """Put the next bytes into ``view`` (see :class:`Body`)."""
        filled = 0
        while filled < len(view) and (fill or not filled):
            if not self._rest:
                piece = await anext(self._pieces, None)
                if piece is None:
                    break
                arrived(len(piece))
                self._rest = memoryview(piece)
            taken = min(len(self._rest), len(view) - filled)
            view[filled : filled + taken] = self._rest[:taken]
            self._rest = self._rest[taken:]
            filled += taken
        return filled
