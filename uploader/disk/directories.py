"""Creation, durability and removal of the directories of uploads."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from uploader.runtime.os_errors import NO_HANDLES_ERRNOS

STAGING = ".receiving"
LOCK_FILE = ".lock"
_UNLOCKED_GRACE_S = 60.0
"""How long a directory may exist before its lock file does: making one and locking the other are two steps."""
_log = logging.getLogger(__name__)


def make_private(path: Path) -> None:
    """Create a directory that only this user can access, unless it exists."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def fsync_directory(path: Path) -> None:
    """Make names created in, or renamed into, ``path`` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_abandoned(path: Path) -> bool:
    """Return whether ``path`` (a directory in the staging area) belongs to no living process."""
    try:
        fd = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        try:
            # Also if it was made in the future: the clock has been set back since.
            return abs(time.time() - path.stat().st_mtime) > _UNLOCKED_GRACE_S
        except FileNotFoundError:
            return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def remove_directory(path: Path, *, temp_dir: Path, list_names: Callable[[], Iterable[str]] = tuple) -> bool:
    """Remove the directory of an upload, and return whether nothing is left of it (blocks).

    It is first renamed, durably, into the staging area: if the removal is interrupted or fails halfway, the rest does
    not look like an upload, and the cleaner removes it.

    Args:
        path: the directory.
        temp_dir: ``TEMP_DIR``.
        list_names: returns the names in the directory without opening it, for when there are no file handles left.
    """
    doomed = path
    try:
        if path.parent == temp_dir:
            make_private(temp_dir / STAGING)
            doomed = temp_dir / STAGING / f"{path.name}.{uuid.uuid4().hex[:8]}"
            path.rename(doomed)
            with suppress(OSError):  # a full disk may refuse it, and stays full until the files are removed
                fsync_directory(temp_dir)
        _remove_tree(doomed)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in NO_HANDLES_ERRNOS and _remove_names(doomed, list_names()):
            return True
        _log.warning(
            "Directory cannot be removed; the cleaner will retry", extra={"path": str(doomed), "error": error.strerror}
        )
        return False
    return True


def _remove_names(path: Path, names: Iterable[str]) -> bool:
    """Remove the files ``names``, and ``path``, which needs no file handle. Return whether it succeeded."""
    try:
        for name in names:
            (path / name).unlink(missing_ok=True)
        path.rmdir()
    except OSError:
        return False
    return True


def _remove_tree(path: Path) -> None:
    """Remove what can be removed, then raise the first failure."""
    failures: list[OSError] = []

    def collect(_function: object, _path: object, failure: tuple[type, BaseException, object]) -> None:
        if isinstance(failure[1], OSError) and not isinstance(failure[1], FileNotFoundError):
            failures.append(failure[1])

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=collect)
    else:
        path.unlink()
    if failures:
        raise failures[0]
