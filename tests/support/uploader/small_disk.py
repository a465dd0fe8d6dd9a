"""A small file system: a tmpfs of a few megabytes, mounted for a test (requires root)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.names import BYTES_PER_MB
from tests.support.waiting import wait_until


@contextmanager
def small_disk(path: Path, *, size_mb: int) -> Iterator[Path]:
    """Mount a file system of ``size_mb`` at ``path``; unmount it in the end."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=700", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        # Lazily: a thread of the uploader may still be closing a file.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def remount_read_only(path: Path) -> None:
    """Let the file system take no more writes, as the kernel does after an error (forced by a remount).

    That is possible once no file is open for writing: a thread of the uploader may still be closing one.
    """

    def remount() -> bool:
        return subprocess.run(["mount", "-o", "remount,ro", str(path)], check=False).returncode == 0

    wait_until(remount, what="the file system is read-only", deadline_s=60, poll_s=0.05)


def remount_writable(path: Path) -> None:
    """Let the file system take writes again."""
    subprocess.run(["mount", "-o", "remount,rw", str(path)], check=True)


def fill_disk(path: Path, name: str = "neighbour") -> Path:
    """Write to a file of a neighbour until the disk has no byte left; return the file."""
    filler = path / name
    fd = os.open(filler, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for size in (BYTES_PER_MB, 4096, 1):
            while _write(fd, b"\0" * size):
                pass
    finally:
        os.close(fd)
    return filler


def _write(fd: int, data: bytes) -> bool:
    try:
        return os.write(fd, data) > 0
    except OSError:
        return False
