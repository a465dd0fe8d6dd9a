"""Content in pieces of a limited size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def cut_up(pieces: Iterable[bytes | memoryview], size_bytes: int) -> Iterator[memoryview]:
    """Yield the same content in pieces of at most ``size_bytes``, without copying it."""
    for piece in pieces:
        view = memoryview(piece)
        for begin in range(0, len(view), size_bytes):
            yield view[begin : begin + size_bytes]
