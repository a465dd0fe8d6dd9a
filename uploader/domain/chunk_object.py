"""The object that a chunk becomes in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from contracts.names import object_key, object_url
from uploader.domain.records import ChunkRecord, UploadOverview


@dataclass(frozen=True, kw_only=True)
class ChunkObject:
    """Place, size and SHA-256 of the object, as announced."""

    bucket: str
    key: str
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, upload: UploadOverview, chunk: ChunkRecord) -> Self:
        """Return the object of ``chunk``."""
        key = object_key(upload.dataset_name, chunk.filename)
        return cls(bucket=upload.bucket, key=key, size_bytes=chunk.size_bytes, sha256=chunk.sha256)

    @property
    def url(self) -> str:
        """``s3://{bucket}/{key}``."""
        return object_url(self.bucket, self.key)
