"""The turn of one request at a resumable upload, among the requests of all workers of this replica.

The newest request wins: it takes the turn by a token in the lock file, its time of modification, and the older one
gives the lock up as soon as it sees that its own token is gone. This needs no space on the disk.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from uploader.disk.directories import LOCK_FILE

_TOKENS = 2**31
"""Seconds since 1970: whole ones, as not every file system keeps fractions."""


class UploadTurn:
    """The wish of one request to have an upload for itself. All calls are short system calls.

    Raises:
        FileNotFoundError: the upload has no files.
    """

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
        self._token = 0

    def claim(self) -> None:
        """Ask whoever has the lock to give it up."""
        token = secrets.randbelow(_TOKENS)
        os.utime(self._fd, (token, token))
        self._token = os.fstat(self._fd).st_mtime_ns

    @property
    def is_superseded(self) -> bool:
        """Whether a newer request has claimed the upload."""
        return os.fstat(self._fd).st_mtime_ns != self._token

    def try_lock(self) -> bool:
        """Take the lock if it is free."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock up, if it was taken."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
