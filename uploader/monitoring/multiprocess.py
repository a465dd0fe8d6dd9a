"""Counters shared by all worker processes of one uploader, so that any worker can answer a scrape for all.

Prometheus' client library keeps them in memory-mapped files of one directory, one set per process, and sums them at a
scrape. This module adds two things that it leaves to its users:

- A process takes a *slot*, a number under a lock that the kernel releases when the process dies, however it dies. Its
  successor takes the same slot and continues in the same files: a counter never decreases, and a worker that dies a
  hundred times does not leave a hundred files.
- The blocks of the files are allocated before they are mapped. Writing to a mapped file on a full disk kills the
  process with SIGBUS, which no ``except`` catches.
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
"""The variable in which the library looks for the directory."""
_PREFIX = "csvpipe-metrics-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  mkdtemp makes a private directory there
_IN_USE = "in-use.lock"
_KINDS = ("counter", "histogram")
_FILE_BYTES = 1024 * 1024
"""Room for 5,000 series, twenty times the current number: the library never needs to extend a file."""
_log = logging.getLogger(__name__)


@contextmanager
def shared_counters(parent: Path | None = None) -> Iterator[Path | None]:
    """Provide a new, empty directory to the processes that start in this context, or None if none can be made.

    It is in memory if the machine has /dev/shm. Directories that killed servers left are removed.
    """
    parent = parent or (_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    try:
        _remove_leftovers(parent)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        in_use = _hold(directory / _IN_USE, fcntl.LOCK_SH)
    except OSError as error:
        _log.warning(
            "No directory for shared counters; each worker counts on its own",
            extra={"path": str(parent), "error": error.strerror},
        )
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
    """Make every counter that this process creates from now on a shared one, and return their directory.

    Return None if the environment names no directory or it has no space: then the counters are this process's own.
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
    """Return the class of the values in the files of ``slot``, the same for all applications of the process."""
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
        _log.warning(
            "No shared counters; this worker counts on its own",
            extra={"path": str(directory), "error": error.strerror},
        )
        return None
    return slot


def _take_slot(directory: Path) -> int:
    """Return the lowest number that no running process has. This process keeps it until it dies."""
    for slot in count():
        with suppress(BlockingIOError):
            _hold(directory / f"slot-{slot}.lock", fcntl.LOCK_EX)
            return slot
    raise AssertionError("numbers do not end")


def _reserve(file: Path) -> None:
    """Allocate the blocks now, so that writing to the mapped file never needs one that a full disk lacks."""
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


def _remove_leftovers(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        # A directory without its lock file is just being made by another server.
        if (directory / _IN_USE).exists():
            with suppress(OSError):  # in use, or owned by another user
                os.close(_hold(directory / _IN_USE, fcntl.LOCK_EX))
                shutil.rmtree(directory)
