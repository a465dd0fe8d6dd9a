"""Unpacks gzip (RFC 1952) and Zstandard (RFC 8878) as the data arrives, in pieces of a limited size."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Literal, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compression = Literal["gzip", "zstd"]
COMPRESSION_PROBE_BYTES = 4
"""Number of first bytes that :func:`detect_compression` needs."""
UNPACKED_PIECE_BYTES = 1024 * 1024
"""Largest piece that :meth:`Unpacker.feed` yields."""
_SLICE_BYTES = 64 * 1024
"""Faults are located to one of these, so that they do not depend on the blocks that are fed."""
LEAST_MEMBER_BYTES = 128
"""Compressed bytes that members (gzip) or frames (zstd) of strangers must have on average, see :class:`Unpacker`."""
FREE_MEMBERS = 1_000
"""Number of members or frames of any size that a file may begin with."""
_GZIP = b"\x1f\x8b"
_MAGIC: dict[bytes, Compression] = {_GZIP: "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# A skippable frame (RFC 8878, 3.1.2) may come first: pzstd writes the size of the next frame into one.
_MAGIC |= {bytes([first, 0x2A, 0x4D, 0x18]): "zstd" for first in range(0x50, 0x60)}


class UnpackingError(Exception):
    """Compressed data that cannot be unpacked.

    Attributes:
        code: ``truncated``, ``damaged``, ``trailing_data`` or ``fragmented``; stable.
        byte: offset in the compressed file at or after which the fault is.
        message: both in words.
        hint: what to do.
    """

    def __init__(self, code: str, *, byte: int, message: str, hint: str) -> None:
        self.code = code
        self.byte = byte
        self.message = message
        self.hint = hint
        super().__init__(f"{message}; {hint}")


def detect_compression(first_bytes: bytes) -> Compression | None:
    """Return the compression of a file that starts with ``first_bytes``, or None."""
    return next((compression for magic, compression in _MAGIC.items() if first_bytes.startswith(magic)), None)


class Unpacker:
    """Unpacks a file block by block. Consecutive members (gzip) or frames (zstd) are one content.

    NULs after a member of gzip are ignored: some writers pad with them.

    Each member or frame costs 15 to 60 us, however small it is: a MiB of empty ones took 7 s. So those after the first
    ``FREE_MEMBERS`` must have ``least_member_bytes`` on average.
    """

    def __init__(self, compression: Compression, *, least_member_bytes: int = 0) -> None:
        """Prepare to unpack; ``least_member_bytes`` is 0 for members of any size."""
        self.compression: Compression = compression
        self._least_member_bytes = least_member_bytes
        self._members = 0
        self._stream: _Stream | None = None
        self._stream_start = 0
        self._head = b""
        self._fed_bytes = 0

    @property
    def fed_bytes(self) -> int:
        """Number of compressed bytes that the content so far was unpacked from, up to one slice more."""
        return self._fed_bytes

    def feed(self, block: bytes | memoryview) -> Iterator[bytes]:
        """Yield the content that is complete with ``block``; the next block may be fed after all of it was taken.

        Raises:
            UnpackingError: the data is damaged, in too many small members or frames, or something else follows it.
        """
        view = memoryview(block)
        while view:
            size = _SLICE_BYTES - self._fed_bytes % _SLICE_BYTES
            data, view = bytes(view[:size]), view[size:]
            self._fed_bytes += len(data)
            yield from self._unpack(data)

    def finish(self) -> None:
        """Check that the data is complete.

        Raises:
            UnpackingError: it is truncated, or something else follows it.
        """
        if self._head and not self._may_begin(self._head):
            raise self._trailing(self._head)
        if self._stream is not None or self._head or not self._fed_bytes:
            end = self._fed_bytes
            message = f"the {self.compression} data is truncated: the file ends at byte {end}"
            raise UnpackingError("truncated", byte=end, message=message, hint="send the whole file")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        data, self._head = self._head + data, b""
        while data:
            if self._stream is None:
                data = data.lstrip(b"\0") if self.compression == "gzip" and self._stream_start else data
                if len(data) < COMPRESSION_PROBE_BYTES:
                    self._head = data
                    return
                self._stream = self._begin(data)
            try:
                yield from self._stream.feed(data)
            except (zlib.error, zstd.ZstdError) as error:
                slice_start = (self._fed_bytes - 1) // _SLICE_BYTES * _SLICE_BYTES
                raise self._damaged(max(slice_start, self._stream_start), str(error)) from error
            if not self._stream.eof:
                return
            data, self._stream = self._stream.unused_data, None
            self._stream_start = self._fed_bytes - len(data)

    def _begin(self, data: bytes) -> _Stream:
        if not self._may_begin(data[:COMPRESSION_PROBE_BYTES]):
            raise self._trailing(data)
        self._stream_start = self._fed_bytes - len(data)
        self._members += 1
        if self._members > FREE_MEMBERS and self._stream_start < (self._members - 1) * self._least_member_bytes:
            raise self._fragmented()
        return _GzipMember() if self.compression == "gzip" else _ZstdFrame()

    def _may_begin(self, start: bytes) -> bool:
        """Return whether a member or frame may begin with ``start``, which may be shorter than a magic number."""
        return any(
            start.startswith(magic[: len(start)])
            for magic, compression in _MAGIC.items()
            if compression == self.compression
        )

    def _trailing(self, data: bytes) -> UnpackingError:
        byte = self._fed_bytes - len(data)
        return UnpackingError(
            "trailing_data",
            byte=byte,
            message=f"the {self.compression} data ends before byte {byte} of the file, and the rest is not "
            f"{self.compression}: it starts with {data[:8]!r}",
            hint=f"if something was appended by mistake, truncate the file to {byte} bytes; if it is more CSV, "
            "compress all of it, or use a file of its own",
        )

    def _fragmented(self) -> UnpackingError:
        unit = "members" if self.compression == "gzip" else "frames"
        return UnpackingError(
            "fragmented",
            byte=self._stream_start,
            message=f"the first {self._stream_start} bytes of the file are {self._members - 1} {unit} of "
            f"{self.compression}, which must have {self._least_member_bytes} bytes or more on average",
            hint="unpack the file, and compress it as a whole",
        )

    def _damaged(self, byte: int, what: str) -> UnpackingError:
        message = f"the {self.compression} data is damaged at or after byte {byte} of the file: {what}"
        return UnpackingError("damaged", byte=byte, message=message, hint="compress the file again")


class _Stream(Protocol):
    """A member of gzip or a frame of zstd."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...


class _GzipMember:
    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = b"full"
        while data or (piece and not self.eof):
            piece = self._decompressor.decompress(data, UNPACKED_PIECE_BYTES)
            if piece:
                yield piece
            data = self._decompressor.unconsumed_tail


class _ZstdFrame:
    def __init__(self) -> None:
        self._decompressor = zstd.ZstdDecompressor()

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = self._decompressor.decompress(data, UNPACKED_PIECE_BYTES)
        while piece:
            yield piece
            if self.eof or self._decompressor.needs_input:
                return
            piece = self._decompressor.decompress(b"", UNPACKED_PIECE_BYTES)
