"""Rebuilds the source from chunk files as a stream, for its size and hash; writes no file."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass

from contracts.manifest import Manifest

_BOM = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


@dataclass(frozen=True)
class Digest:
    """Size and SHA-256 of a sequence of bytes."""

    size_bytes: int
    sha256: str


class SourceRebuilder:
    """Accepts the content (the prefix once, then the bodies in order), and digests it and its source.

    The source is the content itself, except for UTF-16: that is stored as UTF-8 without a BOM, and is encoded again
    here, with its BOM. A compressed source cannot be rebuilt, as the same content can be compressed in many ways.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Start with no bytes."""
        self._content = _Sum()
        utf16 = None if manifest.compression else manifest.transcoded_from
        self._encode = _Utf16(utf16) if utf16 else None
        self._source = _Sum() if self._encode else self._content
        self._is_compressed = manifest.compression is not None

    def feed(self, block: bytes) -> None:
        """Accept the next bytes of the content."""
        self._content.add(block)
        if self._encode:
            self._source.add(self._encode.feed(block))

    def finish(self) -> tuple[Digest, Digest | None]:
        """Return the digests of the content and of the source, or None for a compressed source."""
        if self._encode:
            self._source.add(self._encode.finish())
        return self._content.digest(), None if self._is_compressed else self._source.digest()


class _Sum:
    def __init__(self) -> None:
        self._size_bytes = 0
        self._hash = hashlib.sha256()

    def add(self, block: bytes) -> None:
        self._size_bytes += len(block)
        self._hash.update(block)

    def digest(self) -> Digest:
        return Digest(self._size_bytes, self._hash.hexdigest())


class _Utf16:
    """Encodes UTF-8 as UTF-16 with a BOM; a character may span two blocks.

    Invalid UTF-8 is replaced, not refused: the digest of the content reveals it anyway.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._bom = _BOM[encoding]

    def feed(self, block: bytes) -> bytes:
        bom, self._bom = self._bom, b""
        return bom + self._decoder.decode(block).encode(self._encoding)

    def finish(self) -> bytes:
        return self._bom + self._decoder.decode(b"", final=True).encode(self._encoding)
