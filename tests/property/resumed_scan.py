"""Scans that are saved as JSON after every block, and resumed by new objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from pydantic import TypeAdapter

from csvscan import Deviations, Scanner, ScannerState, Strictness
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.chunk_cutter import ChunkCutter, NullSink
from uploader.ingest.chunking.chunk_plan import ChunkPlan, RowsPlan, SizePlan
from uploader.ingest.chunking.row_index import RowIndex
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.content_state import ContentState
from uploader.ingest.content.row_boundary import RowBoundary

Options = tuple[bytes | None, str | None, Strictness, ChunkPlan]
"""Delimiter, encoding, strict, and where to cut."""
_SCANNER_STATE = TypeAdapter(ScannerState)


@contextmanager
def short_probes() -> Iterator[None]:
    """Let the header be found in a few bytes, so that small contents have blocks after it."""
    with patch("csvscan.header.PROBE_BYTES", 8), patch("csvscan.header.SAMPLE_BYTES", 16):
        yield


def state_as_json(scanner: Scanner) -> bytes:
    """Return the state of ``scanner`` as it is saved."""
    return _SCANNER_STATE.dump_json(scanner.state())


def resumed(scanner: Scanner, fresh: Scanner) -> Scanner:
    """Return ``fresh`` with the state of ``scanner``, by way of JSON."""
    fresh.restore(_SCANNER_STATE.validate_json(state_as_json(scanner)))
    return fresh


@dataclass
class Outcome:
    """Everything that a scan of a content finds."""

    fault: dict[str, object] | None = None
    headers: list[str] = field(default_factory=list)
    encoding: str = ""
    end: RowBoundary | None = None
    deviations: Deviations | None = None
    chunk_ends: list[RowBoundary] = field(default_factory=list)


@dataclass
class Upload:
    """A content that is scanned and cut; the parts may be replaced by restored ones between two blocks."""

    options: Options
    was_resumed: bool = False

    def __post_init__(self) -> None:
        delimiter, encoding, strict, self._plan = self.options
        self._cut_options = CutOptions(
            dataset_name="d",
            chunk_type=ChunkType.ROWS,
            chunk_size=1,
            delimiter=delimiter,
            encoding=encoding,
            strict=strict,
        )
        self._content = b""
        self._scanner = ContentScanner(options=self._cut_options, transcoded_from=None)
        self._cutter = self._new_cutter()
        self.index = RowIndex()

    def feed(self, block: bytes) -> None:
        """Scan the next block."""
        self._content += block
        scanned = self._scanner.feed(memoryview(block))
        self._scanner.raise_faults()
        if scanned is not None:
            self._cutter.feed(scanned, None)
            self.index.feed(scanned)

    def save_and_resume(self) -> None:
        """Replace all parts by new ones, which know the saved JSON and the file only."""
        state = self._scanner.state()
        if state is None:
            return
        ends = json.dumps([(chunk.end.offset, chunk.end.rows) for chunk in self._cutter.bounds])
        boundaries = json.dumps([(each.offset, each.rows) for each in self.index.boundaries])
        state = ContentState.model_validate_json(state.model_dump_json())
        prefix = self._content[: state.header.prefix_bytes]
        self._scanner = ContentScanner.restore(state, options=self._cut_options, transcoded_from=None, prefix=prefix)
        self._cutter = self._new_cutter()
        self._cutter.restore(_boundaries(ends), first=RowBoundary(len(prefix), 0), reached=self._scanner.end)
        self.index = RowIndex(_boundaries(boundaries))
        self.was_resumed = True

    def finish(self) -> Outcome:
        """End the content."""
        scanned = self._scanner.finish()
        if scanned is not None:
            self._cutter.feed(scanned, None)
        self._cutter.finish(self._scanner.end)
        return Outcome(
            headers=self._scanner.headers,
            encoding=self._scanner.encoding,
            end=self._scanner.end,
            deviations=self._scanner.deviations,
            chunk_ends=[chunk.end for chunk in self._cutter.bounds],
        )

    def _new_cutter(self) -> ChunkCutter:
        return ChunkCutter(plan=self._plan, sink=NullSink(), max_chunks=1000, on_too_many=_too_many)


def scan(blocks: Iterable[bytes], options: Options, *, is_resumed: bool = False) -> Outcome:
    """Scan ``blocks``; with ``is_resumed`` by new objects for every block."""
    upload = Upload(options)
    try:
        for block in blocks:
            upload.feed(block)
            if is_resumed:
                upload.save_and_resume()
        return upload.finish()
    except InvalidCsvError as error:
        # Not the hint: a backslash before a quote counts for it, also if it follows the fault in the same block.
        return Outcome(fault={name: error.extra[name] for name in ("reason", "row", "byte", "expected", "found")})


def size_plan(chunk_bytes: int) -> SizePlan:
    return SizePlan(chunk_bytes=chunk_bytes)


def rows_plan(chunk_rows: int) -> RowsPlan:
    return RowsPlan(chunk_rows=chunk_rows)


def _boundaries(saved: str) -> list[RowBoundary]:
    return [RowBoundary(offset, rows) for offset, rows in json.loads(saved)]


def _too_many(reached: RowBoundary) -> Exception:
    raise AssertionError(f"too many chunks at {reached}")
