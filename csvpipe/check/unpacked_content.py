"""A content that may be compressed, unpacked block by block."""

from __future__ import annotations

from collections.abc import Iterator

from csvscan import COMPRESSION_PROBE_BYTES, LEAST_MEMBER_BYTES, Compression, Unpacker, detect_compression


class UnpackedContent:
    """Unpacks gzip and Zstandard, by the first bytes of a source, and passes other bytes through."""

    def __init__(self) -> None:
        self._probe: bytes | None = b""
        self._unpacker: Unpacker | None = None

    @property
    def compression(self) -> Compression | None:
        """The compression; None if there is none, or if too few bytes were fed."""
        return None if self._unpacker is None else self._unpacker.compression

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Yield the content that is complete with ``block``.

        Raises:
            UnpackingError: the data is damaged, or something else follows it.
        """
        if self._probe is not None:
            block = self._probe + block
            if len(block) < COMPRESSION_PROBE_BYTES:
                self._probe = block
                return
            self._probe = None
            found = detect_compression(block)
            self._unpacker = None if found is None else Unpacker(found, least_member_bytes=LEAST_MEMBER_BYTES)
        if self._unpacker is None:
            yield block
            return
        yield from self._unpacker.feed(block)

    def finish(self) -> bytes:
        """Return the rest.

        Raises:
            UnpackingError: the data is truncated.
        """
        if self._unpacker is not None:
            self._unpacker.finish()
        return self._probe or b""
