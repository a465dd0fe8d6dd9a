"""Whole writes, in-kernel copies, block-wise reads and hashes of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

FILE_MODE = 0o600


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: one call writes at most 2 GiB, and less on a nearly full disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy_range(source_fd: int, target_fd: int, *, start: int, end: int) -> None:
    """Append ``source[start:end]`` to ``target`` inside the kernel.

    Raises:
        OSError: the copy failed, or the source is shorter than ``end``.
    """
    while start < end:
        copied = os.copy_file_range(source_fd, target_fd, end - start, start)
        if not copied:
            raise OSError(f"the source file ends at byte {start}, {end - start} bytes early")
        start += copied


def read_blocks(fd: int, buffer: memoryview, *, start: int = 0) -> Iterator[memoryview]:
    """Yield the content of ``fd`` from ``start``, block by block; each view is valid until the next one."""
    while size := os.preadv(fd, [buffer], start):
        yield buffer[:size]
        start += size


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file at ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
