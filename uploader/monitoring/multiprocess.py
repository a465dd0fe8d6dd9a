"""Counters that all worker processes of one uploader share, so that whoever answers a scrape knows those of all.

The client library of Prometheus keeps them in memory-mapped files of one directory, one set for each process, and adds
them up when it is asked. Two things are done here that it leaves to its user:

- A process takes a *slot*, a number under a lock that the kernel gives back when the process dies, however it dies. Its
  successor takes the same slot and counts on in the same files: a counter never goes down, and a worker that dies a
  hundred times leaves no hundred files.
- The files get their blocks before they are mapped. To write to a mapped file on a disk that is full kills the process
  (SIGBUS), and no ``except`` is asked.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library looks for the directory."""
_PREFIX = "csvpipe-metrics-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made there, for this user alone
_IN_USE = "in-use.lock"
_KINDS = ("counter", "histogram")
_FILE_BYTES = 1024 * 1024
"""Room for 5 000 series, twenty times what there are: the library never has to let a file grow."""
_log = logging.getLogger(__name__)


@contextmanager
def shared_counters(parent: Path | None = None) -> Iterator[Path | None]:
    """Give a new, empty directory to the processes that start in this context; None where none can be made.

    It lies in memory where the machine offers that. What a server left that was killed is removed.
    """
    parent = parent or (_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    try:
        _remove_left_over(parent)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        in_use = _hold(directory / _IN_USE, fcntl.LOCK_SH)
    except OSError as error:
        _log.warning("No directory for counters in %s (%s): each worker counts for itself", parent, error.strerror)
        yield None
        return
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    try:
        yield directory
    finally:
        os.environ.pop(DIRECTORY_VARIABLE, None)
        shutil.rmtree(directory, ignore_errors=True)
        os.close(in_use)


def join_shared_counters() -> Path | None:
    """Let every counter that this process makes from now on be a shared one, and return their directory.

    None where the environment names no directory, or there is no room in it: then they are this process's own.
    """
    from prometheus_client import values

    named = os.environ.get(DIRECTORY_VARIABLE)
    slot = None if named is None else _try_to_take_slot(Path(named))
    if named is None or slot is None:
        values.ValueClass = values.MutexValue
        return None
    values.ValueClass = _values_of_slot(named, slot)
    return Path(named)


@cache
def _values_of_slot(_directory: str, slot: int) -> type:
    """Return the class of the values in the files of ``slot``; one for all applications of the process."""
    from prometheus_client import values

    made: type = values.MultiProcessValue(process_identifier=lambda: slot)  # type: ignore[no-untyped-call]  # the library's
    return made


@cache
def _try_to_take_slot(directory: Path) -> int | None:
    try:
        _hold(directory / _IN_USE, fcntl.LOCK_SH)
        slot = _take_slot(directory)
        for kind in _KINDS:
            _reserve(directory / f"{kind}_{slot}.db")
    except OSError as error:
        _log.warning("No shared counters in %s (%s): this worker counts for itself", directory, error.strerror)
        return None
    return slot


def _take_slot(directory: Path) -> int:
    """Return the lowest number that no living process has. It is this one's until it dies."""
    for slot in count():
        with suppress(BlockingIOError):
            _hold(directory / f"slot-{slot}.lock", fcntl.LOCK_EX)
            return slot
    raise AssertionError("numbers do not end")


def _reserve(file: Path) -> None:
    """Make room for good: what is written to the mapped file later needs no block that the disk may not have."""
    with file.open("ab") as opened:
        os.posix_fallocate(opened.fileno(), 0, _FILE_BYTES)


def _hold(file: Path, kind: int) -> int:
    """Lock ``file`` without waiting, and return the descriptor that holds the lock.

    Raises:
        BlockingIOError: another process has it.
    """
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_left_over(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        # Without its lock file it is one that another server is just making.
        if (directory / _IN_USE).exists():
            with suppress(OSError):  # in use, or another user's
                os.close(_hold(directory / _IN_USE, fcntl.LOCK_EX))
                shutil.rmtree(directory)
