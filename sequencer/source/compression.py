"""Decompresses the files of a source as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from csvscan import Compression, Unpacker, UnpackingError
from sequencer.errors import BadRowError

Piece = TypeVar("Piece", bytes, memoryview)


def decompress(pieces: Iterable[bytes], compression: Compression, *, name: str) -> Iterator[bytes]:
    """Yield the content of the compressed file ``name``.

    Raises:
        BadRowError: it is damaged or truncated; the byte of the compressed file is named.
    """
    unpacker = Unpacker(compression)
    try:
        for piece in pieces:
            yield from unpacker.feed(piece)
        unpacker.finish()
    except UnpackingError as error:
        raise BadRowError(f"{name}: {error.message}; {error.hint}", byte=error.byte) from error


def skip(pieces: Iterable[Piece], size: int) -> Iterator[Piece]:
    """Yield ``pieces`` without their first ``size`` bytes."""
    for piece in pieces:
        if size >= len(piece):
            size -= len(piece)
            continue
        yield piece[size:]
        size = 0
