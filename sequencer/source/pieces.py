"""Content that comes in pieces, cut to a size that whoever takes it can bear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def cut_up(pieces: Iterable[bytes], size_bytes: int) -> Iterator[memoryview]:
    """Give the same content in pieces of ``size_bytes`` at most, without copying it."""
    for piece in pieces:
        view = memoryview(piece)
        for begin in range(0, len(view), size_bytes):
            yield view[begin : begin + size_bytes]
