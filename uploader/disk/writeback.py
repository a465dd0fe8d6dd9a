"""Writing to the disk begun early, so that the sync of a file has less to wait for."""

from __future__ import annotations

import ctypes

_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)


def start_writeback(fd: int, *, start: int, size_bytes: int) -> None:
    """Begin to write bytes of a file to the disk, without waiting for them; nothing is durable by that.

    It is a hint: without sync_file_range(2), which Python does not offer, or if it fails, nothing happens.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(start), ctypes.c_int64(size_bytes), _SYNC_FILE_RANGE_WRITE)
