"""Who works in ``TEMP_DIR``: every process of the uploader at once, or ``csvpipe recover`` alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uploader.settings import SettingsError


def share_directory(temp_dir: Path) -> int:
    """Take part in the directory until the descriptor that is returned is closed, or the process ends.

    Raises:
        SettingsError: ``csvpipe recover`` is at work in it.
    """
    return _locked(
        temp_dir, fcntl.LOCK_SH, f"TEMP_DIR: `csvpipe recover` is at work in {temp_dir}; start the uploader afterwards"
    )


@contextmanager
def own_directory(temp_dir: Path) -> Iterator[None]:
    """Have the directory alone.

    Raises:
        SettingsError: it is not there, or an uploader works in it.
    """
    fd = _locked(
        temp_dir, fcntl.LOCK_EX, f"TEMP_DIR: an uploader is at work in {temp_dir}; stop it first, with all its workers"
    )
    try:
        yield
    finally:
        os.close(fd)


def _locked(temp_dir: Path, kind: int, refusal: str) -> int:
    # The directory itself is locked: a file could be removed, and the lock with it.
    try:
        fd = os.open(temp_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SettingsError(f"TEMP_DIR: {temp_dir} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise SettingsError(refusal) from error
    return fd
