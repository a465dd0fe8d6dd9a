"""Reading the objects that chunks have become."""

from __future__ import annotations

from typing import Protocol

from uploader.domain.chunk_object import ChunkObject


class ObjectReader(Protocol):
    """Reads objects. Calls block."""

    def read_start(self, wanted: ChunkObject, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` bytes of the object, or all if it has fewer.

        Raises:
            ChunkGoneError: there is no such object, or it is not the announced one.
            BucketUnavailableError: the object store does not answer, refuses, or has no such bucket.
        """
        ...
