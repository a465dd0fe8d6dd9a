"""The options and the result of cutting an upload into chunks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from csvscan import Compression, Deviations, Strictness

TranscodedFrom = Literal["utf-16-le", "utf-16-be"]


class ChunkType(StrEnum):
    """The unit of ``chunk_size``."""

    SIZE = "size"
    """MiB: a chunk ends at the first row end at or after that many body bytes."""
    ROWS = "rows"
    """Rows: each chunk has exactly that many, the last one the rest."""
    COUNT = "count"
    """Number of chunks: rows are distributed evenly, so that chunks differ by at most one row."""


@dataclass(frozen=True, kw_only=True)
class CutOptions:
    """How to cut one upload. ``None`` means that the value is detected from the file."""

    dataset_name: str
    chunk_type: ChunkType
    chunk_size: int
    delimiter: bytes | None = None
    encoding: str | None = None
    strict: Strictness = Strictness.STRICT


@dataclass(frozen=True, kw_only=True)
class CutChunk:
    """One chunk file on disk: the header and whole rows, verbatim.

    Rows are counted from 1, without header and blank lines, both ends included (``row_end = row_start - 1`` if there
    are none). Bytes are the half-open range of the body in the content (see :class:`contracts.manifest.Manifest`).
    """

    chunk_id: int
    filename: str
    size_bytes: int
    sha256: str
    row_start: int
    row_end: int
    byte_start: int
    byte_end: int

    @property
    def row_count(self) -> int:
        """Number of data rows in the chunk."""
        return self.row_end - self.row_start + 1


@dataclass(frozen=True, kw_only=True)
class CutResult:
    """A whole upload after cutting: every chunk file is written and fsynced, nothing is committed yet."""

    source_filename: str
    source_bytes: int
    source_sha256: str
    compression: Compression | None = None
    content_bytes: int
    content_sha256: str
    encoding: str
    transcoded_from: TranscodedFrom | None
    delimiter: str
    headers: list[str]
    header_bytes: int
    row_count: int
    deviations: Deviations | None = None
    chunks: list[CutChunk]
