"""Database rows as plain values. Every datetime is aware and in UTC."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime

from contracts.names import chunk_filename, timestamp
from contracts.states import ChunkState, UploadState
from csvscan import Compression
from uploader.domain.cutting import ChunkType, CutChunk, CutOptions, CutResult, TranscodedFrom


@dataclass(frozen=True, kw_only=True)
class UploadOverview:
    """One upload without the names of its columns, which can be large, for queries of many uploads and frequent ones.

    ``replica`` is the one whose disk has the chunk files; ``owner`` is the id of the key that it was sent with, if any;
    ``traceparent`` (W3C) is the trace of all its announcements, however late.
    """

    upload_id: str
    dataset_name: str
    state: UploadState
    replica: str
    owner: str | None = None
    idempotency_key: str | None
    chunk_type: ChunkType
    chunk_size: int
    requested: dict[str, object]
    source_filename: str
    source_bytes: int
    source_sha256: str
    compression: Compression | None = None
    content_bytes: int
    content_sha256: str
    encoding: str
    transcoded_from: TranscodedFrom | None
    delimiter: str
    header_bytes: int
    row_count: int
    accepted_deviations: dict[str, int] | None = None
    total_chunks: int
    bucket: str
    created_at: datetime
    chunked_at: datetime
    announced_at: datetime | None = None
    landed_at: datetime | None = None
    aborted_at: datetime | None = None
    error: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadRecord(UploadOverview):
    """One upload in full, for its messages, its manifest and the answer to its sender."""

    headers: list[str]

    @property
    def overview(self) -> UploadOverview:
        """The upload without the names of its columns."""
        return UploadOverview(**{each.name: getattr(self, each.name) for each in fields(UploadOverview)})


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """One chunk. ``attempts`` counts the acknowledged announcements since the last one requested by hand."""

    upload_id: str
    chunk_id: int
    filename: str
    state: ChunkState
    size_bytes: int
    sha256: str
    row_start: int
    row_end: int
    byte_start: int
    byte_end: int
    attempts: int = 0
    announced_at: datetime | None = None
    relayed_at: datetime | None = None
    landed_at: datetime | None = None
    cleaned_at: datetime | None = None
    error: str | None = None
    evidence: dict[str, object] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """Number of data rows in the chunk."""
        return self.row_end - self.row_start + 1


@dataclass(frozen=True, kw_only=True)
class ReplicaRecord:
    """One replica: its disk, and the address and time of its last check-in, or None if there was none."""

    name: str
    disk_id: str
    base_url: str | None
    seen_at: datetime | None


def new_upload(
    *,
    upload_id: str,
    options: CutOptions,
    result: CutResult,
    replica: str,
    bucket: str,
    owner: str | None = None,
    idempotency_key: str | None,
    created_at: datetime,
    chunked_at: datetime,
    traceparent: str | None = None,
) -> tuple[UploadRecord, list[ChunkRecord]]:
    """Return the records of an upload that has just been cut."""
    upload = UploadRecord(
        upload_id=upload_id,
        dataset_name=options.dataset_name,
        state=UploadState.CHUNKED,
        replica=replica,
        owner=owner,
        idempotency_key=idempotency_key,
        chunk_type=options.chunk_type,
        chunk_size=options.chunk_size,
        requested=requested_options(options),
        source_filename=result.source_filename,
        source_bytes=result.source_bytes,
        source_sha256=result.source_sha256,
        compression=result.compression,
        content_bytes=result.content_bytes,
        content_sha256=result.content_sha256,
        encoding=result.encoding,
        transcoded_from=result.transcoded_from,
        delimiter=result.delimiter,
        headers=result.headers,
        header_bytes=result.header_bytes,
        row_count=result.row_count,
        accepted_deviations=None if result.deviations is None else asdict(result.deviations),
        total_chunks=len(result.chunks),
        bucket=bucket,
        created_at=created_at,
        chunked_at=chunked_at,
        traceparent=traceparent,
    )
    return upload, [_new_chunk(upload_id, chunk) for chunk in result.chunks]


def moved_to(
    upload: UploadRecord, chunks: list[ChunkRecord], *, created_at: datetime
) -> tuple[UploadRecord, list[ChunkRecord]]:
    """Return the records as if the upload had begun at ``created_at``: its chunks have the names of that time."""
    stamp = timestamp(created_at)
    return replace(upload, created_at=created_at), [
        replace(chunk, filename=chunk_filename(upload.dataset_name, chunk.chunk_id, stamp)) for chunk in chunks
    ]


def requested_options(options: CutOptions) -> dict[str, object]:
    """Return the options in which a repeated upload must agree with the first."""
    return {
        "dataset_name": options.dataset_name,
        "chunk_type": options.chunk_type.value,
        "chunk_size": options.chunk_size,
        "delimiter": None if options.delimiter is None else options.delimiter.decode("latin-1"),
        "encoding": options.encoding,
        "strict": options.strict.value,
    }


def _new_chunk(upload_id: str, chunk: CutChunk) -> ChunkRecord:
    return ChunkRecord(
        upload_id=upload_id,
        chunk_id=chunk.chunk_id,
        filename=chunk.filename,
        state=ChunkState.STORED,
        size_bytes=chunk.size_bytes,
        sha256=chunk.sha256,
        row_start=chunk.row_start,
        row_end=chunk.row_end,
        byte_start=chunk.byte_start,
        byte_end=chunk.byte_end,
    )
