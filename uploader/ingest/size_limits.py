"""Limits on the size of an upload and on the disk space that it may use."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from contracts.names import BYTES_PER_MB
from uploader.errors import CompressionRatioExceededError, DiskFullError, FileTooLargeError
from uploader.settings import Settings

FORM_OVERHEAD_BYTES = 64 * 1024
"""What a body may contain besides the file: fields, the heads of parts, and anything after the last part."""
RATIO_FREE_BYTES = 64 * 1024 * 1024
"""A content of up to this size may have any ratio to its compressed file."""


@dataclass(frozen=True, kw_only=True)
class SizeLimit:
    """The largest file accepted, and what says so."""

    max_mb: int
    source: str = "MAX_FILE_SIZE_MB"

    @classmethod
    def of_key(cls, max_mb: int | None, *, settings: Settings) -> Self:
        """Return the limit of a key; ``max_mb`` is its own, or None if that of the settings applies."""
        if max_mb is None:
            return cls(max_mb=settings.max_file_size_mb)
        return cls(max_mb=max_mb, source="the limit of the key")

    @property
    def max_bytes(self) -> int:
        """The limit in bytes."""
        return self.max_mb * BYTES_PER_MB


def check_content_length(body_bytes: int | None, limit: SizeLimit) -> None:
    """Refuse a body whose Content-Length exceeds the largest file.

    Raises:
        FileTooLargeError: it does.
    """
    if body_bytes is not None and body_bytes > limit.max_bytes + FORM_OVERHEAD_BYTES:
        raise file_too_large(limit, f"the body has {body_bytes} bytes")


def file_too_large(limit: SizeLimit, what: str) -> FileTooLargeError:
    """Return the error for a file above ``limit``; ``what`` is its subject and verb."""
    return FileTooLargeError(
        f"{what}; the largest file accepted has {limit.max_mb} MiB ({limit.source}), {limit.max_bytes} bytes",
        max_file_size_bytes=limit.max_bytes,
    )


def check_unpacked(content_bytes: int, compressed_bytes: int, *, limit: SizeLimit, max_ratio: int) -> None:
    """Refuse a compressed file by what has been unpacked of it so far.

    Args:
        content_bytes: size of the content so far.
        compressed_bytes: size of the compressed data that it comes from.
        limit: the largest content.
        max_ratio: how many times as large as the compressed data it may be; 0 for any.

    Raises:
        FileTooLargeError: the content is too large.
        CompressionRatioExceededError: it is too large for the compressed data: most likely a bomb.
    """
    if content_bytes > limit.max_bytes:
        raise file_too_large(limit, "the compressed file unpacks to more than allowed")
    if max_ratio and content_bytes > max(RATIO_FREE_BYTES, max_ratio * compressed_bytes):
        raise CompressionRatioExceededError(
            f"the first {compressed_bytes} bytes of the compressed file unpack to {content_bytes} bytes or more, which "
            f"is over {max_ratio} times the size (MAX_COMPRESSION_RATIO): send the file uncompressed",
            byte=compressed_bytes,
            max_compression_ratio=max_ratio,
        )


async def check_disk(directory: Path, *, needed_bytes: int, settings: Settings) -> None:
    """Call :func:`check_space` from the event loop."""
    await asyncio.to_thread(check_space, directory, needed_bytes, settings=settings)


def check_space(directory: Path, needed_bytes: int, *, settings: Settings) -> None:
    """Refuse to write data that would leave less than ``MIN_FREE_DISK_MB`` free (blocks).

    Raises:
        DiskFullError: it would.
    """
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes - needed_bytes < settings.min_free_disk_bytes:
        raise DiskFullError(
            f"the upload needs {needed_bytes} bytes, but the disk of TEMP_DIR has {free_bytes} bytes free, of which "
            f"{settings.min_free_disk_mb} MiB are reserved (MIN_FREE_DISK_MB); retry when chunks have landed",
            free_bytes=free_bytes,
            needed_bytes=needed_bytes,
        )
