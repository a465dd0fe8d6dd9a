"""The description of a chunk that a download sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from contracts.names import HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES, object_key
from uploader.domain.records import ChunkRecord, UploadOverview


@dataclass(frozen=True, kw_only=True)
class DownloadableChunk:
    """A chunk whose file is on this replica's disk; ``key`` is the key of its object in the bucket."""

    key: str
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, upload: UploadOverview, chunk: ChunkRecord) -> Self:
        """Return the description of ``chunk``."""
        key = object_key(upload.dataset_name, chunk.filename)
        return cls(key=key, size_bytes=chunk.size_bytes, sha256=chunk.sha256)

    @property
    def headers(self) -> dict[str, str]:
        """Response headers by which the relay checks the chunk, because anyone may have sent its message."""
        return {
            HEADER_OBJECT_KEY: self.key,
            HEADER_SHA256: self.sha256,
            HEADER_SIZE_BYTES: str(self.size_bytes),
        }
