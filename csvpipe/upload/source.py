"""What is sent, in parts: a file as a whole, or a pipe in blocks that are kept until the uploader has them."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import BinaryIO, Protocol

from contracts.errors import SourceChangedError, SourceNotFoundError

STDIN = Path("-")
PIPE_BLOCK_BYTES = 32 * 1024 * 1024
"""What one request sends of a pipe. Up to three blocks are in memory: sent, waiting, and being read."""


class Part(Protocol):
    """The bytes of one request, which can be read as often as the connection breaks."""

    @property
    def start(self) -> int:
        """Offset of the first byte."""

    @property
    def end(self) -> int:
        """Offset after the last byte."""

    @property
    def is_last(self) -> bool:
        """Whether the source ends here."""

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes of the source from ``offset`` on."""

    def check_unchanged(self) -> None:
        """Check that the source is still the one that was opened.

        Raises:
            SourceChangedError: it is not.
        """


class Source(Protocol):
    """Something to send. ``size_bytes`` is None if it is not known (a pipe)."""

    size_bytes: int | None

    def parts(self) -> Iterator[Part]:
        """Give the parts, in order. A part can no longer be read after the next one was asked for."""


@dataclass(frozen=True)
class FileIdentity:
    """What changes if a file is written to or replaced."""

    size_bytes: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileIdentity:
        """Return the identity of the file with ``status``."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


class FileSource:
    """A file on a disk, from its present position on. It is its own only part."""

    start = 0
    is_last = True

    def __init__(self, file: BinaryIO) -> None:
        self._fd = file.fileno()
        self._first = os.lseek(self._fd, 0, os.SEEK_CUR)
        self.identity = FileIdentity.of(os.fstat(self._fd))
        self.end = max(self.identity.size_bytes - self._first, 0)
        self.size_bytes: int | None = self.end

    def parts(self) -> Iterator[Part]:
        """Give the whole file."""
        yield self

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes from ``offset`` on."""
        return os.pread(self._fd, size_bytes, self._first + offset)

    def check_unchanged(self) -> None:
        """Check that the file is still the one that was opened.

        Raises:
            SourceChangedError: it was written to.
        """
        now = FileIdentity.of(os.fstat(self._fd))
        if now != self.identity:
            raise SourceChangedError(
                f"the file had {self.identity.size_bytes} bytes when the upload began, was written to, and now has "
                f"{now.size_bytes}. Nothing was kept; send it again when no process writes to it"
            )


@dataclass(frozen=True)
class _Block:
    """A part of a pipe."""

    start: int
    content: bytes
    is_last: bool

    @property
    def end(self) -> int:
        return self.start + len(self.content)

    def read(self, offset: int, size_bytes: int) -> bytes:
        begin = offset - self.start
        return self.content[begin : begin + size_bytes]

    def check_unchanged(self) -> None:
        """Return: what is in memory does not change."""


class PipeSource:
    """A pipe, read ahead by one block in a thread."""

    size_bytes: int | None = None

    def __init__(self, pipe: BinaryIO, *, block_bytes: int = PIPE_BLOCK_BYTES) -> None:
        self._fd = pipe.fileno()
        self._block_bytes = block_bytes

    def parts(self) -> Iterator[Part]:
        """Give the blocks of the pipe. The last one is shorter than the others, and may be empty."""
        blocks: Queue[bytes | OSError] = Queue(maxsize=1)
        # A daemon, as a read of a pipe cannot be interrupted; os.read holds no lock at the end of the interpreter.
        threading.Thread(target=self._read, args=(blocks,), name="pipe", daemon=True).start()
        start, is_last = 0, False
        while not is_last:
            content = blocks.get()
            if isinstance(content, OSError):
                raise SourceNotFoundError(f"standard input cannot be read: {content.strerror}") from content
            is_last = len(content) < self._block_bytes
            yield _Block(start, content, is_last)
            start += len(content)

    def _read(self, blocks: Queue[bytes | OSError]) -> None:
        try:
            while True:
                content = self._read_block()
                blocks.put(content)
                if len(content) < self._block_bytes:
                    return
        except OSError as error:
            blocks.put(error)

    def _read_block(self) -> bytes:
        content = bytearray()
        while len(content) < self._block_bytes and (data := os.read(self._fd, self._block_bytes - len(content))):
            content += data
        return bytes(content)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open the file at ``path`` (``-``: standard input).

    Raises:
        SourceNotFoundError: there is no such file, or it is not readable.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceNotFoundError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file


def source_of(file: BinaryIO) -> FileSource | PipeSource:
    """Return the source that ``file`` is."""
    is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return FileSource(file) if is_regular else PipeSource(file)
