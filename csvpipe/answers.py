"""What the client reads out of the uploader's answers; anything else in them is let through."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from contracts.states import ChunkState, UploadState


class UploadAccepted(BaseModel):
    """The 202 of ``POST /upload/csv``."""

    upload_id: str
    dataset_name: str
    total_chunks: int
    status: str
    tracking_url: str
    row_count: int
    size_bytes: int
    sha256: str


class ChunkStatus(BaseModel):
    """One chunk in the answer of ``GET /uploads/{id}/status``."""

    chunk_id: int
    filename: str
    state: ChunkState
    row_count: int
    row_start: int
    row_end: int
    size_bytes: int
    sha256: str
    attempts: int = 0
    announced_at: datetime | None = None
    landed_at: datetime | None = None
    error: str | None = None


class UploadStatus(BaseModel):
    """The answer of ``GET /uploads/{id}/status``."""

    upload_id: str
    dataset_name: str
    status: str
    state: UploadState
    is_final: bool = Field(alias="final")
    """Whether nothing more happens by itself. A failed upload is not final while the uploader announces it again."""
    created_at: datetime
    landed_at: datetime | None = None
    row_count: int
    size_bytes: int
    sha256: str
    total_chunks: int
    chunk_counts: dict[ChunkState, int]
    chunks: list[ChunkStatus]
    error: str | None = None

    @property
    def landed_chunks(self) -> int:
        """Number of chunks that lie in the bucket."""
        return self.chunk_counts.get(ChunkState.LANDED, 0) + self.chunk_counts.get(ChunkState.CLEANED, 0)


class UploadSummary(BaseModel):
    """One upload in a list."""

    upload_id: str
    dataset_name: str
    status: str
    created_at: datetime
    row_count: int
    size_bytes: int
    total_chunks: int


class UploadPage(BaseModel):
    """The answer of ``GET /uploads``."""

    uploads: list[UploadSummary]
