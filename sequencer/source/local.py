"""A file of this machine as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import SourceChangedError, TemporaryFailureError
from sequencer.errors import SourceNotFoundError
from sequencer.source.compression import PROBE_BYTES, packing_of, skip, unpack

_PIECE_BYTES = 4 * 1024 * 1024


class LocalFile:
    """A local file. ``name`` is its path as it was given.

    Raises:
        SourceNotFoundError: it cannot be read.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored_bytes_read = 0
        try:
            with Path(name).open("rb") as file:
                self._packing = packing_of(file.read(PROBE_BYTES))
                status = os.fstat(file.fileno())
        except OSError as error:
            raise SourceNotFoundError(f"{name}: {error.strerror}") from error
        self.place = (status.st_dev, status.st_ino)
        self.size_bytes = status.st_size
        self.etag = f"{status.st_size}-{status.st_mtime_ns}"

    @property
    def compressed(self) -> bool:
        """Whether it is packed."""
        return self._packing is not None

    def copy(self) -> LocalFile:
        """Return the same file, read so far not at all."""
        return LocalFile(self.name)

    @contextmanager
    def open(self, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Give the content from byte ``start`` on (see :class:`sequencer.source.files.SourceFile`)."""
        if self._packing is None:
            yield self._read(start)
        else:
            yield skip(unpack(self._read(0), self._packing, name=self.name), start)

    def _read(self, start: int) -> Iterator[bytes]:
        self.stored_bytes_read = start
        try:
            with Path(self.name).open("rb", buffering=0) as file:
                file.seek(start)
                while piece := file.read(_PIECE_BYTES):
                    self.stored_bytes_read += len(piece)
                    yield piece
                status = os.fstat(file.fileno())
        except FileNotFoundError as error:
            raise SourceChangedError(f"{self.name} is not there any more") from error
        except OSError as error:
            at = self.stored_bytes_read
            raise TemporaryFailureError(
                f"{self.name} cannot be read from byte {at} on: {error.strerror}", byte=at
            ) from error
        if f"{status.st_size}-{status.st_mtime_ns}" != self.etag:
            raise SourceChangedError(f"{self.name} was changed while it was read; its rows may be others now")
