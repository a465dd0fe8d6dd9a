"""Cuts scanned blocks into chunks: whole records, verbatim, each row in exactly one chunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from contracts.names import BYTES_PER_MB
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import TooManyChunksError
from uploader.ingest.chunking.blocks import Block
from uploader.ingest.chunking.content import ScannedBlock
from uploader.ingest.chunking.plan import Plan, RowBoundary


@dataclass(frozen=True, slots=True)
class ChunkBounds:
    """The body of one chunk: from one place between two rows to another."""

    start: RowBoundary
    end: RowBoundary


class ChunkSink(Protocol):
    """Takes the bodies of the chunks, one after the other."""

    def begin(self) -> None:
        """Start the next chunk."""
        ...

    def write(self, data: memoryview, block: Block | None) -> None:
        """Add to the body; ``data`` stays as it is while ``block`` is held."""
        ...

    def end(self) -> None:
        """Finish the chunk."""
        ...


class NoSink:
    """For a pass that only looks for the places."""

    def begin(self) -> None:
        """Do nothing."""

    def write(self, data: memoryview, block: Block | None) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class ChunkCutter:
    """Applies a plan to scanned blocks and passes the bodies on to a sink."""

    def __init__(
        self, *, plan: Plan, sink: ChunkSink, max_chunks: int, on_too_many: Callable[[RowBoundary], Exception]
    ) -> None:
        self._plan = plan
        self._sink = sink
        self._max_chunks = max_chunks
        self._on_too_many = on_too_many
        self._start: RowBoundary | None = None
        self._open = False
        self.spans: list[ChunkBounds] = []

    def feed(self, scanned: ScannedBlock, block: Block | None) -> None:
        """Cut one block.

        Raises:
            Exception: what ``on_too_many`` gives, when a row would lie in chunk ``max_chunks + 1``.
        """
        if self._start is None:
            self._start = scanned.place
        position = 0
        while (cut := self._plan.find_cut(scanned.scan, block=scanned.place, chunk=self._start)) is not None:
            self._write(scanned.data[position:cut], block)
            self._end_chunk(
                RowBoundary(scanned.place.offset + cut, scanned.place.rows + scanned.scan.rows_before(cut)),
            )
            position = cut
        self._write(scanned.data[position:], block)
        self._check_number(
            RowBoundary(scanned.place.offset + len(scanned.data), scanned.place.rows + scanned.scan.rows)
        )

    def finish(self, end: RowBoundary) -> None:
        """End the last chunk; a content without rows gives one chunk without rows.

        Raises:
            Exception: as :meth:`feed` does.
        """
        start = self._start or end
        self._check_number(end)
        if self._open or not self.spans:
            if not self._open:
                self._sink.begin()
            self._sink.end()
            self.spans.append(ChunkBounds(start, end))

    def _write(self, data: memoryview, block: Block | None) -> None:
        if not data:
            return
        if not self._open:
            self._open = True
            self._sink.begin()
        self._sink.write(data, block)

    def _end_chunk(self, end: RowBoundary) -> None:
        assert self._start is not None  # noqa: S101  feed has set it
        self._sink.end()
        self._open = False
        self.spans.append(ChunkBounds(self._start, end))
        self._start = end
        self._check_number(end)

    def _check_number(self, end: RowBoundary) -> None:
        rows_in_next = end.rows - (self._start or end).rows
        if len(self.spans) + (rows_in_next > 0) > self._max_chunks:
            raise self._on_too_many(end)


def has_blank_tail(spans: list[ChunkBounds]) -> bool:
    """Return whether the last chunk holds nothing but blank lines that belong to the one before it."""
    return len(spans) > 1 and spans[-1].start.rows == spans[-1].end.rows


def join_blank_tail(spans: list[ChunkBounds]) -> list[ChunkBounds]:
    """Return the spans with blank lines at the end added to the last chunk that holds rows."""
    if not has_blank_tail(spans):
        return spans
    return [*spans[:-2], ChunkBounds(spans[-2].start, spans[-1].end)]


def too_many_chunks(
    *, options: CutOptions, max_chunks: int, expected_bytes: int | None
) -> Callable[[RowBoundary], Exception]:
    """Return what makes the error for a chunk size that gives too many chunks, with one that should do."""

    def error(reached: RowBoundary) -> TooManyChunksError:
        # An estimate: the request is a little longer than the file, and UTF-16 may grow as it becomes UTF-8.
        share = (expected_bytes or 0) / reached.offset if reached.offset else 0
        if options.chunk_type is ChunkType.SIZE:
            enough = math.ceil((expected_bytes or 0) / max_chunks / BYTES_PER_MB)
        else:
            # Rows are known only as far as they came: the rest is taken to be of the same length, and a tenth added.
            enough = math.ceil(reached.rows * share * 1.1 / max_chunks)
        enough = max(enough, options.chunk_size + 1)
        known = expected_bytes is not None
        advice = f"chunk_size={enough} should do" if known else f"choose more than {options.chunk_size}"
        return TooManyChunksError(
            f"chunk_type={options.chunk_type} with chunk_size={options.chunk_size} gives more than {max_chunks} chunks "
            f"(MAX_CHUNKS); {advice}",
            field="chunk_size",
            max_chunks=max_chunks,
            **({"suggested_chunk_size": enough} if known else {}),
        )

    return error
