"""The directory of an incoming upload: locked while it grows, removed if anything fails.

``TEMP_DIR/.receiving/{upload_id}/`` becomes ``TEMP_DIR/{upload_id}/`` by one rename, just before the manifest is
committed, and goes back by one rename if the files need other names. The lock moves with the directory, and is removed
once the manifest is committed. A directory with an unlocked lock file and no manifest was left by a process that died.
:func:`uploader.disk.directories.is_abandoned` tells it from one that another worker is filling or committing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from uploader.disk.directories import LOCK_FILE, STAGING, fsync_directory, make_private, remove_directory
from uploader.disk.manifest_file import MANIFEST_FILE, write_manifest
from uploader.runtime.os_errors import translate_os_error


class StagingDirectory:
    """A locked directory for one upload; :meth:`commit` hands it over to the caller."""

    def __init__(self, *, temp_dir: Path, upload_id: str) -> None:
        self.path = temp_dir / STAGING / upload_id
        self.final_path = temp_dir / upload_id
        self.committed = False
        """Whether the rename was started: from then on the caller owns the files."""
        self._lock_fd = -1
        self._listing = _Listing()

    def create(self) -> None:
        """Create the directory and lock it (blocks)."""
        make_private(self.path.parent)
        self.path.mkdir(mode=0o700)
        # Renamed only when it is locked: otherwise a concurrent sweep would take the directory for abandoned.
        unlocked = self.path / f"{LOCK_FILE}.new"
        self._lock_fd = os.open(unlocked, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(self.path / LOCK_FILE)
        self._listing.open(self.path)

    async def commit(self, manifest: bytes) -> Path:
        """Write the manifest file, rename to ``TEMP_DIR/{upload_id}``, make that durable, and return the new path.

        From then on leaving the context no longer removes the files, because the manifest may refer to them: if it
        could not be committed, call :meth:`discard`. The lock is held until :meth:`release` or the end of the context,
        so that no other process takes the files for abandoned in the meantime.
        """
        self.committed = True
        await asyncio.to_thread(self._commit, manifest)
        return self.final_path

    async def take_back(self, new_names: Mapping[str, str]) -> None:
        """Undo :meth:`commit` and rename files, from old name to new, for another :meth:`commit`.

        Only for a manifest that is certainly not in the database. A process that dies here leaves the same as one that
        dies before its commit.
        """
        await asyncio.to_thread(self._take_back, new_names)

    async def discard(self) -> None:
        """Remove all files, before or after the rename."""
        await asyncio.to_thread(self._discard)

    async def release(self) -> None:
        """Release the lock and remove its file: the manifest now refers to the files."""
        await asyncio.to_thread(self._release)

    async def abandon_lock(self) -> None:
        """Release the lock and keep its file: the cleaner decides whether a manifest refers to the files."""
        await asyncio.to_thread(self._abandon_lock)

    def _abandon_lock(self) -> None:
        self._listing.close()
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            try:
                os.utime(fd)  # the cleaner's grace period starts now
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
        os.utime(self._lock_fd)  # if this process dies during its commit, the cleaner's grace period starts now
        self.path.rename(self.final_path)
        fsync_directory(self.path.parent)
        fsync_directory(self.final_path.parent)

    def _take_back(self, new_names: Mapping[str, str]) -> None:
        self.final_path.rename(self.path)
        (self.path / MANIFEST_FILE).unlink()
        for old, new in new_names.items():
            (self.path / old).rename(self.path / new)

    def _discard(self) -> None:
        try:
            for path in (self.final_path, self.path):
                remove_directory(path, temp_dir=self.final_path.parent, list_names=self._listing.names)
        finally:
            self._release()


class _Listing:
    """A directory opened now and listed later, so that it can be emptied when there are no file handles left."""

    def __init__(self) -> None:
        self._entries: Iterator[os.DirEntry[str]] = iter(())
        self._stack = ExitStack()

    def open(self, path: Path) -> None:
        self._entries = self._stack.enter_context(os.scandir(path))

    def names(self) -> set[str]:
        """Return the names in the directory; the lock files only, if it was never opened."""
        return {LOCK_FILE, f"{LOCK_FILE}.new"} | {entry.name for entry in self._entries}

    def close(self) -> None:
        self._entries = iter(())
        self._stack.close()

    __del__ = close


@asynccontextmanager
async def open_staging(temp_dir: Path, upload_id: str) -> AsyncIterator[StagingDirectory]:
    """Provide a locked directory to receive into; remove it at the end of the block unless it was committed.

    Raises:
        DiskFullError: the disk had no room for the directory, or for what the block wrote.
        DiskFailedError: the disk is read-only, or fails.
        TooManyOpenFilesError: there were no file handles left.
    """
    directory = StagingDirectory(temp_dir=temp_dir, upload_id=upload_id)
    try:
        await asyncio.to_thread(directory.create)
        yield directory
    except OSError as error:
        translated = translate_os_error(error)
        if translated is None:
            raise
        raise translated from error
    finally:
        end = directory.release() if directory.committed else directory.discard()
        # Shielded: a second cancellation (shutdown) must not leave gigabytes behind.
        await asyncio.shield(asyncio.create_task(end))
