"""Decompresses gzip and Zstandard as the data streams in."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

import zstandard

from sequencer.errors import BadRowError
from sequencer.source.pieces import cut_up

Compression = Literal["gzip", "zstd"]
Piece = TypeVar("Piece", bytes, memoryview)
PROBE_BYTES = 4
_GZIP = b"\x1f\x8b"
_MAGIC: dict[bytes, Compression] = {_GZIP: "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# A skippable frame (RFC 8878, 3.1.2) may come first: pzstd writes the size of the next frame into one.
_MAGIC |= {bytes([first, 0x2A, 0x4D, 0x18]): "zstd" for first in range(0x50, 0x60)}
_PIECE_BYTES = 1024 * 1024
_SLICE_BYTES = 64 * 1024


def detect_compression(first_bytes: bytes) -> Compression | None:
    """Return the compression of a file that starts with ``first_bytes``, or None."""
    return next((compression for magic, compression in _MAGIC.items() if first_bytes.startswith(magic)), None)


def decompress(pieces: Iterable[bytes], compression: Compression, *, name: str) -> Iterator[bytes]:
    """Yield the content of a compressed file. Consecutive members or frames are one content.

    Raises:
        BadRowError: it is damaged or truncated; the byte of the compressed file is named.
    """
    content = _gunzip(pieces, name) if compression == "gzip" else _unzstd(pieces, name)
    return (piece for piece in content if piece)


def skip(pieces: Iterable[Piece], size: int) -> Iterator[Piece]:
    """Yield ``pieces`` without their first ``size`` bytes."""
    for piece in pieces:
        if size >= len(piece):
            size -= len(piece)
            continue
        yield piece[size:]
        size = 0


def _gunzip(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    read, member, begun, members = 0, zlib.decompressobj(wbits=31), False, 0
    for piece in pieces:
        data = piece if begun else piece.lstrip(b"\0")  # some writers pad with NULs
        while data:
            if not begun and members and not data.startswith(_GZIP[: len(data)]):
                raise _trailing(name, read + len(piece) - len(data), "gzip", data)
            begun = True
            try:
                yield member.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise _damaged(name, read, str(error)) from error
            data = member.unconsumed_tail
            if member.eof:
                data, begun = member.unused_data.lstrip(b"\0"), False
                member, members = zlib.decompressobj(wbits=31), members + 1
        read += len(piece)
    if begun:
        yield member.flush()
        if not member.eof:
            raise _damaged(name, read, "it is truncated")


def _unzstd(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    read, frame, frames = 0, zstandard.ZstdDecompressor().decompressobj(), 0
    begun = False
    for piece in cut_up(pieces, _SLICE_BYTES):  # decompressed in one call, it may be a hundred times as long
        data: bytes | memoryview = piece
        while data:
            if not begun and frames and not _may_begin_zstd(bytes(data[:PROBE_BYTES])):
                raise _trailing(name, read + len(piece) - len(data), "zstd", bytes(data[:PROBE_BYTES]))
            begun = True
            try:
                yield frame.decompress(data)
            except zstandard.ZstdError as error:
                raise _damaged(name, read, str(error)) from error
            data = b""
            if frame.eof:
                data, begun = frame.unused_data, False
                frame, frames = zstandard.ZstdDecompressor().decompressobj(), frames + 1
        read += len(piece)
    if begun:
        raise _damaged(name, read, "it is truncated")


def _may_begin_zstd(start: bytes) -> bool:
    """Return whether a frame may begin with ``start``, which may be shorter than a magic number."""
    return any(compression == "zstd" and magic[: len(start)] == start for magic, compression in _MAGIC.items())


def _trailing(name: str, byte: int, compression: Compression, data: bytes) -> BadRowError:
    """Return the error for a file that is complete up to ``byte`` and continues with something else."""
    return BadRowError(
        f"{name}: the {compression} data ends before byte {byte} of the file, and the rest is not {compression}: it "
        f"starts with {data[:8]!r}. If something was appended by mistake, truncate the file to {byte} bytes; if it is "
        "more CSV, compress all of it, or use a file of its own",
        byte=byte,
    )


def _damaged(name: str, byte: int, what: str) -> BadRowError:
    return BadRowError(
        f"{name}: the compressed data is damaged at or after byte {byte} of the file: {what}; upload it again",
        byte=byte,
    )
