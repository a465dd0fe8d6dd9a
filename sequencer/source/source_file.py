"""The interface of a file of a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol, Self


class SourceFile(Protocol):
    """One file. If it changes while a job reads it, the reading fails."""

    @property
    def name(self) -> str:
        """The value of ``_source_file``: ``s3://bucket/key``, or the path as it was given."""

    @property
    def place(self) -> object:
        """A value that is equal for the same file, whatever the path by which it is given."""

    @property
    def size_bytes(self) -> int:
        """Size as stored."""

    @property
    def etag(self) -> str:
        """A value that changes with the content: the ETag, or size and time of a local file."""

    @property
    def compressed(self) -> bool:
        """Whether it has to be decompressed from its start to be read from the middle."""

    @property
    def stored_bytes_read(self) -> int:
        """Number of bytes read so far, as stored."""

    def open(self, start: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the decompressed content from byte ``start`` on, in pieces of a few megabytes.

        Raises:
            SourceChangedError: the file was replaced.
            TemporaryFailureError: it cannot be read, and the retries are used up.
            BadRowError: the compressed data is damaged.
        """

    def copy(self) -> Self:
        """Return the same file with its own counter of bytes read."""
