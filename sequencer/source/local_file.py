"""A file of this machine as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import SourceChangedError, SourceNotFoundError, TemporaryFailureError
from csvscan import COMPRESSION_PROBE_BYTES, detect_compression
from sequencer.source.compression import decompress, skip

PIECE_BYTES = 4 * 1024 * 1024


class LocalFile:
    """A local file, a :class:`sequencer.source.source_file.SourceFile`. ``name`` is its path as it was given.

    Raises:
        SourceNotFoundError: it cannot be read.
    """

    def __init__(self, name: str, *, piece_bytes: int = PIECE_BYTES) -> None:
        self.name = name
        self._piece_bytes = piece_bytes
        self.stored_bytes_read = 0
        try:
            with Path(name).open("rb") as file:
                self._compression = detect_compression(file.read(COMPRESSION_PROBE_BYTES))
                status = os.fstat(file.fileno())
        except OSError as error:
            raise SourceNotFoundError(f"{name}: {error.strerror}") from error
        self.place = (status.st_dev, status.st_ino)
        self.size_bytes = status.st_size
        self.etag = _etag(status)

    @property
    def compressed(self) -> bool:
        """Whether it is compressed."""
        return self._compression is not None

    def copy(self) -> LocalFile:
        """Return the same file with its own counter of bytes read."""
        return LocalFile(self.name, piece_bytes=self._piece_bytes)

    @contextmanager
    def open(self, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Yield the content from byte ``start`` on (see :class:`sequencer.source.source_file.SourceFile`)."""
        if self._compression is None:
            yield self._read(start)
        else:
            yield skip(decompress(self._read(0), self._compression, name=self.name), start)

    def _read(self, start: int) -> Iterator[bytes]:
        self.stored_bytes_read = start
        try:
            with Path(self.name).open("rb", buffering=0) as file:
                file.seek(start)
                while piece := file.read(self._piece_bytes):
                    self.stored_bytes_read += len(piece)
                    yield piece
                status = os.fstat(file.fileno())
        except FileNotFoundError as error:
            raise SourceChangedError(f"{self.name} no longer exists") from error
        except OSError as error:
            at = self.stored_bytes_read
            raise TemporaryFailureError(
                f"{self.name} cannot be read from byte {at} on: {error.strerror}", byte=at
            ) from error
        if _etag(status) != self.etag:
            raise SourceChangedError(f"{self.name} was changed while it was read; its rows may differ")


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"
