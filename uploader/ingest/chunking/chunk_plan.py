"""Where to cut: by size, by rows, or into a number of chunks."""

from __future__ import annotations

from typing import Protocol

from contracts.names import BYTES_PER_MB
from csvscan import Scan
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.ingest.content.row_boundary import RowBoundary


class ChunkPlan(Protocol):
    """Decides where a chunk ends."""

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """Return the end of the open chunk as an offset in the scanned block, or None if the chunk continues.

        ``block`` is the start of the block (with the rows that ended before it), ``chunk`` the start of the chunk.
        """
        ...


class SizePlan:
    """Ends a chunk with the first row that ends at or past ``chunk_bytes`` bytes of body."""

    def __init__(self, *, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """See :class:`ChunkPlan`."""
        return scan.first_end_at_or_after(chunk.offset + self._chunk_bytes - block.offset)


class RowsPlan:
    """Ends a chunk after ``chunk_rows`` rows."""

    def __init__(self, *, chunk_rows: int) -> None:
        self._chunk_rows = chunk_rows

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """See :class:`ChunkPlan`."""
        number = chunk.rows + self._chunk_rows - block.rows
        return scan.end_of_row(number) if number <= scan.rows else None


def choose_plan(options: CutOptions) -> ChunkPlan:
    """Return the plan for chunks by size or by rows; ``count`` needs the number of rows, see :func:`spread_rows`."""
    if options.chunk_type is ChunkType.SIZE:
        return SizePlan(chunk_bytes=options.chunk_size * BYTES_PER_MB)
    if options.chunk_type is ChunkType.ROWS:
        return RowsPlan(chunk_rows=options.chunk_size)
    raise ValueError("chunks by count cannot be cut while the rows are still arriving")


def spread_rows(*, rows: int, chunks: int) -> list[int]:
    """Return the last row of every chunk but the last, with ``rows`` rows spread over at most ``chunks`` chunks.

    Chunk sizes differ by at most one row. No chunk is empty unless there are no rows at all.
    """
    parts = max(1, min(rows, chunks))
    return [rows * part // parts for part in range(1, parts)]
