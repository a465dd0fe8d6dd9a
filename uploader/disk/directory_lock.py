"""A lock on ``TEMP_DIR``: shared by all processes of the uploader, exclusive for ``csvpipe recover``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import SettingsError


def lock_shared(temp_dir: Path) -> int:
    """Lock the directory until the returned descriptor is closed or the process ends; others may share it.

    Raises:
        SettingsError: ``csvpipe recover`` is using it.
    """
    return _open_locked(
        temp_dir,
        fcntl.LOCK_SH,
        f"TEMP_DIR: `csvpipe recover` is using {temp_dir}; start the uploader afterwards",
    )


@contextmanager
def lock_exclusively(temp_dir: Path) -> Iterator[None]:
    """Lock the directory for this process alone.

    Raises:
        SettingsError: it does not exist, or an uploader is using it.
    """
    fd = _open_locked(
        temp_dir, fcntl.LOCK_EX, f"TEMP_DIR: an uploader is using {temp_dir}; stop it first, with all its workers"
    )
    try:
        yield
    finally:
        os.close(fd)


def _open_locked(temp_dir: Path, kind: int, refusal: str) -> int:
    # The directory itself is locked: a lock file could be removed.
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
