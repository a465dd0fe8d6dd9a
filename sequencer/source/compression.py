"""Unpacks gzip and Zstandard while it comes in; what a file is, its first bytes tell."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

import zstandard

from sequencer.errors import BadRowError
from sequencer.source.pieces import cut_up

Packing = Literal["gzip", "zstd"]
Piece = TypeVar("Piece", bytes, memoryview)
PROBE_BYTES = 4
_GZIP = b"\x1f\x8b"
_MAGIC: dict[bytes, Packing] = {_GZIP: "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# A frame to be skipped (RFC 8878, 3.1.2) may come first: pzstd writes the size of what follows into one.
_MAGIC |= {bytes([first, 0x2A, 0x4D, 0x18]): "zstd" for first in range(0x50, 0x60)}
_PIECE_BYTES = 1024 * 1024
_SLICE_BYTES = 64 * 1024


def packing_of(first_bytes: bytes) -> Packing | None:
    """Return how a file that starts with ``first_bytes`` is packed; None: it is not."""
    return next((packing for magic, packing in _MAGIC.items() if first_bytes.startswith(magic)), None)


def unpack(pieces: Iterable[bytes], packing: Packing, *, name: str) -> Iterator[bytes]:
    """Give the content of a packed file; several members or frames, one after the other, are one content.

    Raises:
        BadRowError: it is damaged, or ends in the middle; the byte of the packed file is named.
    """
    unpacked = _gunzip(pieces, name) if packing == "gzip" else _unzstd(pieces, name)
    return (piece for piece in unpacked if piece)


def skip(pieces: Iterable[Piece], size: int) -> Iterator[Piece]:
    """Give ``pieces`` without their first ``size`` bytes."""
    for piece in pieces:
        if size >= len(piece):
            size -= len(piece)
            continue
        yield piece[size:]
        size = 0


def _gunzip(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    read, member, begun, members = 0, zlib.decompressobj(wbits=31), False, 0
    for piece in pieces:
        data = piece if begun else piece.lstrip(b"\0")  # some writers fill up with NULs
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
            raise _damaged(name, read, "it ends in the middle")


def _unzstd(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    read, frame, frames = 0, zstandard.ZstdDecompressor().decompressobj(), 0
    begun = False
    for piece in cut_up(pieces, _SLICE_BYTES):  # what comes of one at once may be a hundred times as long
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
        raise _damaged(name, read, "it ends in the middle")


def _may_begin_zstd(start: bytes) -> bool:
    """Return whether a frame may begin with ``start``, which may be shorter than a magic number."""
    return any(packing == "zstd" and magic[: len(start)] == start for magic, packing in _MAGIC.items())


def _trailing(name: str, byte: int, packing: Packing, data: bytes) -> BadRowError:
    """Return the error of a file that is whole up to ``byte``, and goes on with something else."""
    return BadRowError(
        f"{name}: the {packing} data ends before byte {byte} of the file, and what follows is not {packing}: it begins "
        f"with {data[:8]!r}. If something was appended by mistake, cut the file off at byte {byte}; if it is more CSV, "
        "pack all of it, or give it as a file of its own",
        byte=byte,
    )


def _damaged(name: str, byte: int, what: str) -> BadRowError:
    return BadRowError(
        f"{name}: what is packed is damaged, at or behind byte {byte} of the file: {what}; send it again", byte=byte
    )
