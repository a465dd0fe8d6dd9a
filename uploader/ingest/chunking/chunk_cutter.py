"""Scanned blocks cut into chunks: whole records, verbatim, each row in exactly one chunk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Protocol

from contracts.names import BYTES_PER_MB
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import TooManyChunksError
from uploader.ingest.chunking.chunk_plan import ChunkPlan
from uploader.ingest.content.row_boundary import RowBoundary, ScannedBlock
from uploader.ingest.pipeline.blocks import Held


@dataclass(frozen=True, slots=True)
class ChunkBounds:
    """The body of one chunk, from one row boundary to another."""

    start: RowBoundary
    end: RowBoundary


class ChunkSink(Protocol):
    """Receives the bodies of the chunks, one after the other."""

    def begin(self) -> None:
        """Start the next chunk."""
        ...

    def write(self, data: memoryview, block: Held | None) -> None:
        """Append to the body; ``data`` does not change while ``block`` is held."""
        ...

    def end(self) -> None:
        """Finish the chunk."""
        ...


class NullSink:
    """Discards the bodies, for a pass that only finds the bounds."""

    def begin(self) -> None:
        """Do nothing."""

    def write(self, data: memoryview, block: Held | None) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class ChunkCutter:
    """Applies a plan to scanned blocks and passes the bodies to a sink."""

    def __init__(
        self, *, plan: ChunkPlan, sink: ChunkSink, max_chunks: int, on_too_many: Callable[[RowBoundary], Exception]
    ) -> None:
        self._plan = plan
        self._sink = sink
        self._max_chunks = max_chunks
        self._on_too_many = on_too_many
        self._start: RowBoundary | None = None
        self._is_open = False
        self.bounds: list[ChunkBounds] = []
        """The chunks that have ended, in order. The list only grows, so the new ones are those at its end."""

    def restore(self, ends: Sequence[RowBoundary], *, first: RowBoundary, reached: RowBoundary) -> None:
        """Continue after blocks that another cutter by the same plan had cut; the sink receives only what follows.

        Args:
            ends: the ends of the chunks that had ended.
            first: the start of the body.
            reached: the position up to which the body was fed.
        """
        self.bounds = list(starmap(ChunkBounds, pairwise([first, *ends])))
        self._start = self.bounds[-1].end if self.bounds else first
        self._is_open = reached.offset > self._start.offset

    def feed(self, scanned: ScannedBlock, block: Held | None) -> None:
        """Cut one block.

        Raises:
            Exception: returned by ``on_too_many``, if a row would be in chunk ``max_chunks + 1``.
        """
        if self._start is None:
            self._start = scanned.start
        position = 0
        while (cut := self._plan.find_cut(scanned.scan, block=scanned.start, chunk=self._start)) is not None:
            self._write(scanned.data[position:cut], block)
            self._end_chunk(
                RowBoundary(scanned.start.offset + cut, scanned.start.rows + scanned.scan.rows_before(cut)),
            )
            position = cut
        self._write(scanned.data[position:], block)
        self._check_count(RowBoundary(scanned.start.offset + len(scanned.data), scanned.start.rows + scanned.scan.rows))

    def finish(self, end: RowBoundary) -> None:
        """End the last chunk; content without rows becomes one chunk without rows.

        Raises:
            Exception: as :meth:`feed` does.
        """
        start = self._start or end
        self._check_count(end)
        if self._is_open or not self.bounds:
            if not self._is_open:
                self._sink.begin()
            self._sink.end()
            self.bounds.append(ChunkBounds(start, end))

    def _write(self, data: memoryview, block: Held | None) -> None:
        if not data:
            return
        if not self._is_open:
            self._is_open = True
            self._sink.begin()
        self._sink.write(data, block)

    def _end_chunk(self, end: RowBoundary) -> None:
        assert self._start is not None  # noqa: S101  feed has set it
        self._sink.end()
        self._is_open = False
        self.bounds.append(ChunkBounds(self._start, end))
        self._start = end
        self._check_count(end)

    def _check_count(self, end: RowBoundary) -> None:
        rows_in_next = end.rows - (self._start or end).rows
        if len(self.bounds) + (rows_in_next > 0) > self._max_chunks:
            raise self._on_too_many(end)


def has_blank_tail(bounds: list[ChunkBounds]) -> bool:
    """Return whether the last chunk contains only blank lines, which belong to the chunk before it."""
    return len(bounds) > 1 and bounds[-1].start.rows == bounds[-1].end.rows


def join_blank_tail(bounds: list[ChunkBounds]) -> list[ChunkBounds]:
    """Return the bounds with blank lines at the end added to the last chunk that has rows."""
    if not has_blank_tail(bounds):
        return bounds
    return [*bounds[:-2], ChunkBounds(bounds[-2].start, bounds[-1].end)]


def too_many_chunks(
    *, options: CutOptions, max_chunks: int, expected_bytes: int | None
) -> Callable[[RowBoundary], Exception]:
    """Return a factory of the error for too many chunks, which suggests a chunk size that should suffice."""

    def error(reached: RowBoundary) -> TooManyChunksError:
        # An estimate: the request is slightly longer than the file, and UTF-16 may grow when it becomes UTF-8.
        share = (expected_bytes or 0) / reached.offset if reached.offset else 0
        if options.chunk_type is ChunkType.SIZE:
            sufficient = math.ceil((expected_bytes or 0) / max_chunks / BYTES_PER_MB)
        else:
            # Only the rows so far are known: assume the same length for the rest, and add a tenth.
            sufficient = math.ceil(reached.rows * share * 1.1 / max_chunks)
        sufficient = max(sufficient, options.chunk_size + 1)
        is_known = expected_bytes is not None
        advice = f"chunk_size={sufficient} should suffice" if is_known else f"choose more than {options.chunk_size}"
        return TooManyChunksError(
            f"chunk_type={options.chunk_type} with chunk_size={options.chunk_size} results in more than {max_chunks} "
            f"chunks (MAX_CHUNKS); {advice}",
            field="chunk_size",
            max_chunks=max_chunks,
            **({"suggested_chunk_size": sufficient} if is_known else {}),
        )

    return error
