"""Where to cut: by megabytes, by rows, or into a number of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from contracts.names import BYTES_PER_MB
from csvscan import Scan
from uploader.domain.cutting import ChunkType, CutOptions


@dataclass(frozen=True, slots=True)
class RowBoundary:
    """A place between two rows: ``offset`` bytes of content and ``rows`` rows lie before it."""

    offset: int
    rows: int


class Plan(Protocol):
    """Says where a chunk ends."""

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """Return the end of the open chunk as an offset in the scanned block, or None if it goes on.

        ``block`` is where the block starts (its rows are those that ended before it), ``chunk`` where the chunk does.
        """
        ...


class SizePlan:
    """A chunk ends with the first row that ends at or past ``chunk_bytes`` bytes of body."""

    def __init__(self, *, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """See :class:`Plan`."""
        return scan.first_end_at_or_after(chunk.offset + self._chunk_bytes - block.offset)


class RowsPlan:
    """A chunk ends after ``chunk_rows`` rows."""

    def __init__(self, *, chunk_rows: int) -> None:
        self._chunk_rows = chunk_rows

    def find_cut(self, scan: Scan, *, block: RowBoundary, chunk: RowBoundary) -> int | None:
        """See :class:`Plan`."""
        number = chunk.rows + self._chunk_rows - block.rows
        return scan.end_of_row(number) if number <= scan.rows else None


def plan_for(options: CutOptions) -> Plan:
    """Return the plan for chunks by size or by rows; ``count`` needs the number of rows, see :func:`spread`."""
    if options.chunk_type is ChunkType.SIZE:
        return SizePlan(chunk_bytes=options.chunk_size * BYTES_PER_MB)
    if options.chunk_type is ChunkType.ROWS:
        return RowsPlan(chunk_rows=options.chunk_size)
    raise ValueError("chunks by count are not cut while the rows are still coming in")


def spread(*, rows: int, chunks: int) -> list[int]:
    """Return the last row of each chunk but the last, when ``rows`` rows are spread over at most ``chunks`` chunks.

    Two chunks differ by one row at most, and none is empty unless there are no rows at all.
    """
    parts = max(1, min(rows, chunks))
    return [rows * part // parts for part in range(1, parts)]
