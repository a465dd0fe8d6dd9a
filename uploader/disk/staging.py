"""The directory of an upload that is coming in: locked while it grows, gone if anything goes wrong.

``TEMP_DIR/.receiving/{upload_id}/`` becomes ``TEMP_DIR/{upload_id}/`` by one rename, just before the manifest is
committed. The lock travels with the directory and goes, file and all, once the manifest is committed: a directory
with a lock file that nobody holds and no manifest knows was left by a process that died. :func:`is_abandoned` tells
it from one that another worker is filling or committing right now.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from uploader.disk.manifest_file import write_manifest
from uploader.runtime.os_errors import NO_HANDLES, disk_error

RECEIVING = ".receiving"
LOCK_FILE = ".lock"
_UNLOCKED_GRACE_S = 60.0
"""How long a directory may exist before its lock file does: making the one and locking the other are two steps."""
_log = logging.getLogger(__name__)


class StagingDirectory:
    """A locked directory for one upload; :meth:`commit` hands it over to the caller for good."""

    def __init__(self, *, temp_dir: Path, upload_id: str) -> None:
        self.path = temp_dir / RECEIVING / upload_id
        self.final_path = temp_dir / upload_id
        self.committed = False
        """Whether the rename was begun: from then on the files are the caller's."""
        self._lock_fd = -1
        self._listing = _Listing()

    def create(self) -> None:
        """Make the directory and take its lock (blocks)."""
        make_private(self.path.parent)
        self.path.mkdir(mode=0o700)
        # Under its name only when it is locked: a sweep in between would take the directory for a dead process's.
        unlocked = self.path / f"{LOCK_FILE}.new"
        self._lock_fd = os.open(unlocked, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(self.path / LOCK_FILE)
        self._listing.open(self.path)

    async def commit(self, manifest: bytes) -> Path:
        """Write the manifest file, rename to ``TEMP_DIR/{upload_id}``, make that durable, and return the new path.

        From then on leaving the context no longer removes the files, as the manifest may know them: where it could
        not be committed, call :meth:`discard`. The lock is held until :meth:`release` or the end of the context, so
        that no other process takes the files for left over in between.
        """
        self.committed = True
        await asyncio.to_thread(self._commit, manifest)
        return self.final_path

    async def discard(self) -> None:
        """Remove all files, before or after the rename."""
        await asyncio.to_thread(self._discard)

    async def release(self) -> None:
        """Give the lock up: the manifest says now whose the files are."""
        await asyncio.to_thread(self._release)

    async def abandon_lock(self) -> None:
        """Give the lock up and leave its file: whether a manifest knows the files is for the cleaner to find out."""
        await asyncio.to_thread(self._abandon_lock)

    def _abandon_lock(self) -> None:
        self._listing.close()
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            try:
                os.utime(fd)  # the cleaner's grace counts from now
            finally:
                os.close(fd)

    def _release(self) -> None:
        self._listing.close()
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            try:
                (self.final_path / LOCK_FILE).unlink(missing_ok=True)
            finally:
                os.close(fd)

    def _commit(self, manifest: bytes) -> None:
        write_manifest(self.path, manifest)
        fsync_directory(self.path)
        os.utime(self._lock_fd)  # where this process dies in its commit, the cleaner's grace counts from now
        self.path.rename(self.final_path)
        fsync_directory(self.path.parent)
        fsync_directory(self.final_path.parent)

    def _discard(self) -> None:
        try:
            for path in (self.final_path, self.path):
                remove_directory(path, temp_dir=self.final_path.parent, list_names=self._listing.names)
        finally:
            self._release()


class _Listing:
    """A directory that is opened now and listed later: it can be emptied when there are no file handles left."""

    def __init__(self) -> None:
        self._entries: Iterator[os.DirEntry[str]] = iter(())
        self._stack = ExitStack()

    def open(self, path: Path) -> None:
        self._entries = self._stack.enter_context(os.scandir(path))

    def names(self) -> set[str]:
        """Return the names of what is in it; those of a directory without lock if it was never opened."""
        return {LOCK_FILE, f"{LOCK_FILE}.new"} | {entry.name for entry in self._entries}

    def close(self) -> None:
        self._entries = iter(())
        self._stack.close()

    __del__ = close


@asynccontextmanager
async def receiving_directory(temp_dir: Path, upload_id: str) -> AsyncIterator[StagingDirectory]:
    """Give a locked directory to receive into; remove it, however the block ends, unless it was committed.

    Raises:
        DiskFullError: the disk had no room, be it for the directory itself or for what the block wrote.
        DiskFailedError: the disk is read-only, or fails.
        TooManyOpenFilesError: there were no file handles left.
    """
    directory = StagingDirectory(temp_dir=temp_dir, upload_id=upload_id)
    try:
        await asyncio.to_thread(directory.create)
        yield directory
    except OSError as error:
        refusal = disk_error(error)
        if refusal is None:
            raise
        raise refusal from error
    finally:
        end = directory.release() if directory.committed else directory.discard()
        # Shielded: a second cancellation (shutdown) must not leave gigabytes behind.
        await asyncio.shield(asyncio.create_task(end))


def is_abandoned(path: Path) -> bool:
    """Return whether ``path`` (a directory under ``.receiving``) belongs to no living process."""
    try:
        fd = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        try:
            # Also where it was made in the future: the clock has been put back since.
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
    """Remove a directory of an upload, and return whether nothing of it is left (blocks).

    It is renamed into ``.receiving`` first, durably: where this is interrupted, or fails half-way, what is left does
    not look like an upload, and the cleaner removes it.

    Args:
        path: the directory.
        temp_dir: the uploader's.
        list_names: gives the names of what is in it without opening it, for when there are no file handles left.
    """
    doomed = path
    try:
        if path.parent == temp_dir:
            make_private(temp_dir / RECEIVING)
            doomed = temp_dir / RECEIVING / f"{path.name}.{uuid.uuid4().hex[:8]}"
            path.rename(doomed)
            with suppress(OSError):  # a full disk may refuse that, and is full until the files are gone
                fsync_directory(temp_dir)
        _remove_tree(doomed)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in NO_HANDLES and _is_emptied(doomed, list_names()):
            return True
        _log.warning("%s cannot be removed yet, the cleaner will try again: %s", doomed, error.strerror)
        return False
    return True


def _is_emptied(path: Path, names: Iterable[str]) -> bool:
    """Remove what is called ``names``, and ``path``; that takes no file handle. Return whether it could be done."""
    try:
        for name in names:
            (path / name).unlink(missing_ok=True)
        path.rmdir()
    except OSError:
        return False
    return True


def _remove_tree(path: Path) -> None:
    """Remove all that can be removed, and then raise what could not be."""
    failures: list[OSError] = []

    def note(_function: object, _path: object, failure: tuple[type, BaseException, object]) -> None:
        if isinstance(failure[1], OSError) and not isinstance(failure[1], FileNotFoundError):
            failures.append(failure[1])

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
    else:
        path.unlink()
    if failures:
        raise failures[0]


def make_private(path: Path) -> None:
    """Make a directory that only this user may look into, unless it is there."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def fsync_directory(path: Path) -> None:
    """Make names created in, or renamed into, ``path`` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
