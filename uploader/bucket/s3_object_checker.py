"""The check of objects by HEAD: their size, which the store measures, and the SHA-256 that NiFi computed."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from uploader.bucket.s3_lookup import S3Lookup
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError


class S3ObjectChecker:
    """Looks at objects in an object store."""

    def __init__(self, lookup: S3Lookup) -> None:
        self._lookup = lookup

    def find_fault(self, expected: ChunkObject) -> str | None:
        """Return how the object differs, or that it is missing; None if it is as expected.

        Raises:
            BucketUnavailableError: the object store does not answer, refuses, or has no such bucket.
        """
        try:
            found = self._lookup.find(expected)
        except CsvPipeError as error:
            raise BucketUnavailableError(f"the object of a landed chunk cannot be checked: {error.detail}") from error
        if found is None:
            return f"{expected.url} does not exist"
        return found.find_difference(expected)
