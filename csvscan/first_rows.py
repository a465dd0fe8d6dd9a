"""The first rows of a body, as it is scanned."""

from __future__ import annotations

from csvscan.scan import Scan


class FirstRows:
    """Keeps the bytes of the first rows.

    Args:
        limit: their number.
    """

    def __init__(self, *, limit: int) -> None:
        self.rows: list[bytes] = []
        """The rows that are complete, with their line ends and the blank lines before them."""
        self._limit = limit
        self._open = bytearray()

    def take(self, block: bytes | memoryview, scan: Scan) -> None:
        """Add the rows that end in ``block``."""
        start = 0
        for number in range(1, min(scan.rows, self._limit - len(self.rows)) + 1):
            end = scan.end_of_row(number)
            self.rows.append(bytes(self._open) + bytes(block[start:end]))
            self._open.clear()
            start = end
        if len(self.rows) < self._limit:
            self._open += block[start:]
