"""Reading objects by ranges, after a look at them."""

from __future__ import annotations

from aws.bucket_settings import BUCKET_ENDPOINT
from aws.s3_reader import S3Reader
from contracts.errors import CsvPipeError
from uploader.bucket.s3_lookup import FoundObject, S3Lookup
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError, ChunkGoneError

_RETRIES = 1


class S3ObjectReader:
    """Reads objects in an object store."""

    def __init__(self, lookup: S3Lookup) -> None:
        self._lookup = lookup

    def read_start(self, wanted: ChunkObject, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` bytes of the object, or all if it has fewer.

        Raises:
            ChunkGoneError: there is no such object, or it is not the announced one.
            BucketUnavailableError: the object store does not answer, refuses, or has no such bucket.
        """
        try:
            found = self._lookup.find(wanted)
            fault = "it does not exist" if found is None else found.find_difference(wanted)
            if found is not None and fault is None:
                return self._read(found, wanted, min(size_bytes, wanted.size_bytes))
        except CsvPipeError as error:
            raise BucketUnavailableError(f"the object of a chunk cannot be read: {error.detail}") from error
        raise ChunkGoneError(f"{wanted.url} cannot be read: {fault}")

    def _read(self, found: FoundObject, wanted: ChunkObject, size_bytes: int) -> bytes:
        reader = S3Reader(
            self._lookup.client,
            bucket=wanted.bucket,
            key=wanted.key,
            version=found.head.version,
            settings=BUCKET_ENDPOINT,
            retries=_RETRIES,
            encryption=found.encryption,
        )
        return b"".join(reader.read(0, size_bytes))
