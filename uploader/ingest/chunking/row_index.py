"""An index of row boundaries in a spool file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from csvscan import Dialect, Scanner
from uploader.ingest.content.row_boundary import RowBoundary, ScannedBlock
from uploader.ingest.pipeline.file_io import read_blocks


class RowIndex:
    """One row boundary per block, so that any row is found by scanning one block again.

    Args:
        boundaries: those of an index of the same content, to continue it.
    """

    def __init__(self, boundaries: Iterable[RowBoundary] = ()) -> None:
        self.boundaries: list[RowBoundary] = list(boundaries)
        """The boundaries so far, in order. The list only grows, so the new ones are those at its end."""

    def feed(self, scanned: ScannedBlock) -> None:
        """Add the first row end of a block."""
        if not self.boundaries:
            self.boundaries.append(scanned.start)
        first = scanned.scan.first_end_at_or_after(0)
        if first is not None:
            rows = scanned.start.rows + scanned.scan.rows_before(first)
            self.boundaries.append(RowBoundary(scanned.start.offset + first, rows))

    def end_of_row(self, row: int, *, spool_fd: int, buffer: memoryview, dialect: Dialect) -> RowBoundary:
        """Return the end of ``row`` (from 1), which must not be the last row."""
        near = self.boundaries[bisect_right(self.boundaries, row, key=lambda boundary: boundary.rows) - 1]
        if near.rows == row:
            return near
        scanner = Scanner(dialect=dialect, expected_fields=None)
        for data in read_blocks(spool_fd, buffer, start=near.offset):
            before = RowBoundary(near.offset + scanner.bytes_scanned, near.rows + scanner.rows)
            scan = scanner.feed(data)
            if before.rows + scan.rows >= row:
                return RowBoundary(before.offset + scan.end_of_row(row - before.rows), row)
        raise ValueError(f"row {row} is not in the spool file")
