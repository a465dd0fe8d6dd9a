"""Size, hash, header and rows of a chunk file, in one pass."""

from __future__ import annotations

import hashlib

from csvscan import CsvFormatError, Dialect, Scanner


class ChunkReading:
    """Accepts the bytes of one chunk file; the attributes have the result after :meth:`finish`."""

    def __init__(self, *, header_bytes: int, delimiter: str, encoding: str = "utf-8") -> None:
        """Start with no bytes; the first ``header_bytes`` are the header."""
        self.header = b""
        self.size_bytes = 0
        self.row_fault: str | None = None
        self._header_bytes = header_bytes
        self._hash = hashlib.sha256()
        dialect = Dialect.for_encoding(delimiter.encode(), encoding)
        self._scanner = Scanner(dialect=dialect, expected_fields=None, byte_offset=header_bytes)

    @property
    def rows(self) -> int:
        """Number of rows so far, without the header and blank lines."""
        return self._scanner.rows

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, as hex digits."""
        return self._hash.hexdigest()

    def feed(self, block: bytes) -> bytes:
        """Accept the next bytes of the file, and return those after the header."""
        self._hash.update(block)
        header_left = max(self._header_bytes - self.size_bytes, 0)
        self.size_bytes += len(block)
        self.header += block[:header_left]
        body = block[header_left:]
        self._scan(body)
        return body

    def finish(self) -> None:
        """Mark the end of the file."""
        self._scan(None)

    def _scan(self, body: bytes | None) -> None:
        if self.row_fault is not None:
            return
        try:
            self._scanner.finish() if body is None else self._scanner.feed(body)
        except CsvFormatError as error:
            self.row_fault = error.message
