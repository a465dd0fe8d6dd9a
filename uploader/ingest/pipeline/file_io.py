"""Whole writes, copies, block-wise reads and hashes of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
_COPY_BYTES = 256 * 1024


class Digest(Protocol):
    """A hash, as far as it takes bytes."""

    def update(self, data: memoryview, /) -> object:
        """Hash ``data``."""


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: one call writes at most 2 GiB, and less on a nearly full disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_range(source_fd: int, target_fd: int, *, start: int, end: int, digest: Digest | None = None) -> None:
    """Append ``source[start:end]`` to ``target``, and to ``digest``.

    The bytes go through a buffer that fits in a core's cache: ``copy_file_range`` copies page by page, which takes
    twice the time of the CPU on file systems that cannot share blocks, and chunks never begin at a block.

    Raises:
        OSError: the copy failed, or the source is shorter than ``end``.
    """
    buffer = memoryview(bytearray(min(_COPY_BYTES, max(end - start, 0))))
    for data in read_blocks(source_fd, buffer, start=start, end=end):
        if digest is not None:
            digest.update(data)
        write_all(target_fd, data)


def read_blocks(fd: int, buffer: memoryview, *, start: int = 0, end: int | None = None) -> Iterator[memoryview]:
    """Yield the content of ``fd`` from ``start`` to ``end``, block by block; each view is valid until the next one.

    Args:
        fd: the file.
        buffer: gets the blocks.
        start: the first byte.
        end: the first byte that is not read; None for the end of the file.

    Raises:
        OSError: the reading failed, or the file is shorter than ``end``.
    """
    while end is None or start < end:
        size = os.preadv(fd, [buffer if end is None else buffer[: end - start]], start)
        if size:
            yield buffer[:size]
            start += size
        elif end is None:
            return
        else:
            raise OSError(f"the file ends at byte {start}, {end - start} bytes early")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file at ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
