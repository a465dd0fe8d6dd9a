"""The check that a chunk's object is in the bucket, before the only other copy is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from contracts.names import object_key
from uploader.domain.records import ChunkRecord, UploadOverview


@dataclass(frozen=True, kw_only=True)
class ExpectedObject:
    """The object that a landed chunk must have."""

    bucket: str
    key: str
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, upload: UploadOverview, chunk: ChunkRecord) -> Self:
        """Return the object of ``chunk``."""
        key = object_key(upload.dataset_name, chunk.filename)
        return cls(bucket=upload.bucket, key=key, size_bytes=chunk.size_bytes, sha256=chunk.sha256)


class ObjectChecker(Protocol):
    """Looks at objects. Calls block."""

    def find_fault(self, expected: ExpectedObject) -> str | None:
        """Return how the object differs, or that it is missing; None if it is as expected.

        Raises:
            BucketUnavailableError: the object store does not say.
        """
        ...


class NoObjectChecker:
    """Believes the relay: without S3_ENDPOINT the uploader cannot look."""

    def find_fault(self, expected: ExpectedObject) -> str | None:
        """Return None."""
        del expected
        return None
