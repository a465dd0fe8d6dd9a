"""The bodies that the uploader answers with."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from contracts.manifest import Manifest, ManifestChunk
from contracts.message import UploadId
from contracts.names import object_key
from contracts.states import ChunkState, UploadState
from uploader.domain.cutting import ChunkType
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.transitions import SAFE_IN_BUCKET, is_given_up

MAX_LOOKED_UP = 500
"""Ids in one lookup; as many as the listener reads messages at once."""
_UNITS: dict[ChunkType, Literal["MB", "rows", "chunks"]] = {
    ChunkType.SIZE: "MB",
    ChunkType.ROWS: "rows",
    ChunkType.COUNT: "chunks",
}
_MAX_EVIDENCE_DEPTH = 20
_DATE = re.compile(r"\d{4}-\d\d-\d\dT")


class Status(StrEnum):
    """The state of an upload as people see it: ``chunked`` shows as what is waited for."""

    AWAITING_KAFKA = "awaiting_kafka"
    ANNOUNCED = "announced"
    LANDING = "landing"
    LANDED = "landed"
    FAILED = "failed"
    ABORTED = "aborted"

    @classmethod
    def of(cls, state: UploadState) -> Status:
        """Return how ``state`` shows."""
        return cls.AWAITING_KAFKA if state is UploadState.CHUNKED else cls(state.value)

    @property
    def state(self) -> UploadState:
        """The state that shows so."""
        return UploadState.CHUNKED if self is Status.AWAITING_KAFKA else UploadState(self.value)


class UploadAccepted(BaseModel):
    """The upload is safe on disk; its chunks are announced, or will be."""

    upload_id: str
    dataset_name: str
    status: Status = Field(
        description="`announced`, or `awaiting_kafka` where Kafka is away: nothing is to be sent again"
    )
    total_chunks: int
    chunk_size: int
    chunk_unit: Literal["MB", "rows", "chunks"]
    tracking_url: str
    created_at: datetime
    row_count: int
    size_bytes: int = Field(description="of the file as it was sent")
    sha256: str = Field(description="of the file as it was sent")
    headers: list[str]
    replayed: bool = Field(False, exclude=True, description="whether the Idempotency-Key was known")

    @classmethod
    def of(cls, upload: UploadRecord, *, base_url: str, replayed: bool) -> Self:
        """Return the answer for ``upload``."""
        return cls(
            upload_id=upload.upload_id,
            dataset_name=upload.dataset_name,
            status=Status.of(upload.state),
            total_chunks=upload.total_chunks,
            chunk_size=upload.chunk_size,
            chunk_unit=_UNITS[upload.chunk_type],
            tracking_url=f"{base_url}/uploads/{upload.upload_id}/status",
            created_at=upload.created_at,
            row_count=upload.row_count,
            size_bytes=upload.source_bytes,
            sha256=upload.source_sha256,
            headers=upload.headers,
            replayed=replayed,
        )


class ChunkStatus(BaseModel):
    """Where a chunk stands."""

    model_config = ConfigDict(from_attributes=True)

    chunk_id: int
    filename: str
    state: ChunkState
    row_count: int
    row_start: int
    row_end: int
    size_bytes: int
    sha256: str
    attempts: int = Field(description="announcements that Kafka acknowledged")
    announced_at: datetime | None
    relayed_at: datetime | None
    landed_at: datetime | None
    error: str | None


class UploadSummary(BaseModel):
    """Where an upload stands."""

    upload_id: str
    dataset_name: str
    status: Status
    state: UploadState
    created_at: datetime
    chunked_at: datetime
    announced_at: datetime | None
    landed_at: datetime | None
    row_count: int
    size_bytes: int
    sha256: str
    total_chunks: int
    chunk_counts: dict[ChunkState, int]
    error: str | None

    @classmethod
    def of(cls, upload: UploadOverview, counts: dict[ChunkState, int]) -> Self:
        """Return the summary of ``upload``."""
        return cls(**_summary(upload, counts))


class UploadStatus(UploadSummary):
    """Where an upload and each of its chunks stand."""

    final: bool = Field(
        description="whether nothing more happens by itself: `landed`, `aborted`, or `failed` with no chunk that will "
        "be announced again"
    )
    chunks: list[ChunkStatus]

    @classmethod
    def with_chunks(cls, upload: UploadOverview, chunks: list[ChunkRecord], *, reannounce_limit: int) -> Self:
        """Return the status of ``upload``; ``reannounce_limit`` says which failed chunks are tried again."""
        counts: dict[ChunkState, int] = {}
        for chunk in chunks:
            counts[chunk.state] = counts.get(chunk.state, 0) + 1
        at_rest = all(
            chunk.state in SAFE_IN_BUCKET or is_given_up(chunk, reannounce_limit=reannounce_limit) for chunk in chunks
        )
        return cls(
            **_summary(upload, counts),
            final=at_rest or upload.state is UploadState.ABORTED,
            chunks=[ChunkStatus.model_validate(chunk) for chunk in chunks],
        )


class UploadPage(BaseModel):
    """A page of uploads, the newest first."""

    uploads: list[UploadSummary]
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


class UploadIds(BaseModel):
    """Ids of uploads that somebody has heard of."""

    upload_ids: list[UploadId] = Field(max_length=MAX_LOOKED_UP, description="each once or more often, in any order")


class KnownUploads(BaseModel):
    """Those of the ids that belong to an upload here."""

    known: list[str] = Field(description="sorted, each once; uploads that were deleted are among them")


def _check_is_moment(value: object) -> object:
    """Refuse what pydantic would read as seconds since 1970: numbers, also as text."""
    if not isinstance(value, str) or _DATE.match(value) is None:
        raise ValueError("must be a date and time such as 2026-01-31T23:59:59Z")
    return value


class StateChange(BaseModel):
    """What the relay has to say of a chunk."""

    state: Literal[ChunkState.RELAYED, ChunkState.LANDED, ChunkState.FAILED]
    evidence: dict[str, object] = Field(
        default_factory=dict, max_length=50, description="what was seen; `landed` needs size_bytes and sha256"
    )
    reason: str | None = Field(None, max_length=4_000, description="why it failed")
    published_at: Annotated[AwareDatetime, BeforeValidator(_check_is_moment)] | None = Field(
        None,
        description="of the message that was given up with `failed`; where a newer one has been sent since, nothing "
        "changes",
    )

    @field_validator("evidence")
    @classmethod
    def _is_shallow(cls, evidence: dict[str, object]) -> dict[str, object]:
        level: list[object] = [evidence]
        for _ in range(_MAX_EVIDENCE_DEPTH + 1):
            level = [child for parent in level for child in _children(parent)]
        if level:
            raise ValueError(f"must not be nested deeper than {_MAX_EVIDENCE_DEPTH} levels")
        return evidence


def _children(value: object) -> list[object]:
    """Return the containers within ``value``."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in values if isinstance(child, dict | list)]


def manifest_of(upload: UploadRecord, chunks: list[ChunkRecord]) -> Manifest:
    """Return the manifest of ``upload``."""
    return Manifest(
        upload_id=upload.upload_id,
        dataset_name=upload.dataset_name,
        source_filename=upload.source_filename,
        source_bytes=upload.source_bytes,
        source_sha256=upload.source_sha256,
        content_bytes=upload.content_bytes,
        content_sha256=upload.content_sha256,
        encoding=upload.encoding,
        transcoded_from=upload.transcoded_from,
        delimiter=upload.delimiter,
        headers=upload.headers,
        header_bytes=upload.header_bytes,
        row_count=upload.row_count,
        total_chunks=upload.total_chunks,
        bucket=upload.bucket,
        created_at=upload.created_at,
        chunks=[_manifest_chunk(upload, chunk) for chunk in chunks],
    )


def _manifest_chunk(upload: UploadOverview, chunk: ChunkRecord) -> ManifestChunk:
    return ManifestChunk(
        chunk_id=chunk.chunk_id,
        filename=chunk.filename,
        key=object_key(upload.dataset_name, chunk.filename),
        size_bytes=chunk.size_bytes,
        sha256=chunk.sha256,
        row_count=chunk.row_count,
        row_start=chunk.row_start,
        row_end=chunk.row_end,
        byte_start=chunk.byte_start,
        byte_end=chunk.byte_end,
    )


def _summary(upload: UploadOverview, counts: dict[ChunkState, int]) -> dict[str, object]:
    return {
        "upload_id": upload.upload_id,
        "dataset_name": upload.dataset_name,
        "status": Status.of(upload.state),
        "state": upload.state,
        "created_at": upload.created_at,
        "chunked_at": upload.chunked_at,
        "announced_at": upload.announced_at,
        "landed_at": upload.landed_at,
        "row_count": upload.row_count,
        "size_bytes": upload.source_bytes,
        "sha256": upload.source_sha256,
        "total_chunks": upload.total_chunks,
        "chunk_counts": counts,
        "error": upload.error,
    }
