"""What is uploaded: a file, or standard input, which can be read again only as far as it was kept."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from csvpipe.errors import RefusedError

STDIN = Path("-")
KEPT_BYTES = 16 * 1024 * 1024
"""More than a connection takes in before the refusal of a request arrives: buffers of both sides, one round trip."""


class UploadSource(Protocol):
    """Bytes for the body of an upload, which may have to be sent more than once."""

    @property
    def size_bytes(self) -> int | None:
        """Number of bytes; None where that is not known (a pipe)."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""

    def rewind(self) -> bool:
        """Continue at the beginning, and return whether that is possible."""


class SeekableSource:
    """A file on a disk, from its present position on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.tell()
        status = os.fstat(file.fileno())
        self.size_bytes = status.st_size - self._start if stat.S_ISREG(status.st_mode) else None
        self.read = file.read

    def rewind(self) -> bool:
        """Continue at the beginning."""
        self._file.seek(self._start)
        return True


class PipeSource:
    """A pipe. The first ``kept_bytes`` are kept, so that an upload that is refused at once can be repeated."""

    size_bytes = None

    def __init__(self, pipe: BinaryIO, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._pipe = pipe
        self._limit_bytes = kept_bytes
        self._kept: bytearray | None = bytearray()
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        if self._kept is not None and self._position < len(self._kept):
            block = bytes(self._kept[self._position : self._position + size])
            self._position += len(block)
            return block
        block = self._pipe.read(size)
        if self._kept is not None:
            self._kept += block
            self._position = len(self._kept)
            if len(self._kept) > self._limit_bytes:
                self._kept = None
        return block

    def rewind(self) -> bool:
        """Continue at the beginning, and return whether that is possible: not after more than was kept."""
        self._position = 0
        return self._kept is not None


@contextmanager
def open_source(path: Path) -> Iterator[UploadSource]:
    """Open the file at ``path`` (``-``: standard input).

    Raises:
        RefusedError: there is no such file, or it is not readable.
    """
    if path == STDIN:
        file = sys.stdin.buffer
        yield SeekableSource(file) if file.seekable() else PipeSource(file)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield SeekableSource(file) if file.seekable() else PipeSource(file)
