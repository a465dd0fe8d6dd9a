"""The chunk files on this replica's disk."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from contracts.errors import SettingsError
from contracts.number_text import counted, format_count
from uploader.disk.directories import LOCK_FILE, STAGING, fsync_directory, is_abandoned, remove_directory
from uploader.disk.manifest_file import CLEANED_SUFFIX, MANIFEST_FILE
from uploader.domain.records import ChunkRecord
from uploader.runtime.os_errors import DISK_FULL_ERRNOS

DISK_ID_FILE = ".replica"
_UPLOAD_DIRECTORY = re.compile(r"[0-9a-f]{32}")


class ChunkFiles:
    """``TEMP_DIR/{upload_id}/{filename}``. All calls block."""

    def __init__(self, temp_dir: Path) -> None:
        self.root = temp_dir
        """``TEMP_DIR``."""

    def create_root(self) -> None:
        """Create ``TEMP_DIR`` durably if it is missing, and check that it is writable.

        Raises:
            SettingsError: it cannot be created, belongs to another user, or is not writable.
        """
        try:
            missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in missing:
                fsync_directory(path.parent)
            _check_owner(self.root)
            self.check_writable()
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:  # a full disk is cleaned, and /ready reports it
                raise SettingsError(f"TEMP_DIR: {self.root} cannot be used: {error.strerror}") from error

    def check_writable(self) -> None:
        """Return if a file can be written (no file is left).

        Raises:
            OSError: none can.
        """
        with tempfile.TemporaryFile(dir=self.root) as file:
            file.write(b"x")
            file.flush()

    def is_full(self) -> bool:
        """Return whether not even a small file can be written because the disk or the quota is exhausted."""
        try:
            self.check_writable()
        except OSError as error:
            return error.errno in DISK_FULL_ERRNOS
        return False

    def disk_id(self) -> str | None:
        """Return the id of this disk, or None if it has none yet."""
        try:
            return (self.root / DISK_ID_FILE).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def assign_disk_id(self) -> str:
        """Give this disk an id durably, unless it has one, and return it; concurrent processes get the same one."""
        draft = self.root / f"{DISK_ID_FILE}.{uuid.uuid4().hex}"
        with draft.open("x", encoding="ascii") as file:
            file.write(f"{uuid.uuid4().hex}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, self.root / DISK_ID_FILE)
        draft.unlink()
        fsync_directory(self.root)
        return (self.root / DISK_ID_FILE).read_text(encoding="ascii").strip()

    def path(self, chunk: ChunkRecord) -> Path:
        """Return the path of the file of ``chunk``, which may be gone."""
        return self.root / chunk.upload_id / chunk.filename

    def was_cleaned(self, chunk: ChunkRecord) -> bool:
        """Return whether the file of ``chunk`` was removed after it landed, while others of its upload remain."""
        return self._cleaned_mark(chunk).exists()

    def has_manifest(self, upload_id: str) -> bool:
        """Return whether the directory of an upload has a manifest file, and so is complete."""
        return (self.root / upload_id / MANIFEST_FILE).exists()

    def _cleaned_mark(self, chunk: ChunkRecord) -> Path:
        path = self.path(chunk)
        return path.with_name(path.name + CLEANED_SUFFIX)

    def find_fault(self, chunk: ChunkRecord) -> str | None:
        """Return what is wrong with the file of ``chunk``, or None if it exists with the right size."""
        try:
            size_bytes = self.path(chunk).stat().st_size
        except FileNotFoundError:
            return "its file is missing from the uploader's disk"
        if size_bytes != chunk.size_bytes:
            found, expected = counted(size_bytes, "byte"), format_count(chunk.size_bytes)
            return f"its file has {found} on the uploader's disk instead of {expected}"
        return None

    def remove_chunks(self, upload_id: str, chunks: Iterable[ChunkRecord]) -> None:
        """Remove files durably: they do not come back after a power failure."""
        directory = self.root / upload_id
        if not directory.exists():
            return
        for chunk in chunks:
            with suppress(OSError):  # without room for the mark, the file is removed all the same
                self._cleaned_mark(chunk).touch(mode=0o600)
            self.path(chunk).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            fsync_directory(directory)
            if not any(path.suffix == ".csv" for path in directory.iterdir()):
                self.remove_upload(upload_id)

    def remove_upload(self, upload_id: str) -> None:
        """Remove the directory of an upload with its content; a failure is retried by the next sweep."""
        remove_directory(self.root / upload_id, temp_dir=self.root)

    def upload_ids(self) -> list[str]:
        """Return the ids of the uploads that have a directory."""
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if _UPLOAD_DIRECTORY.fullmatch(entry.name))

    def is_abandoned(self, upload_id: str) -> bool:
        """Return whether no living process is about to commit the directory of an upload."""
        return is_abandoned(self.root / upload_id)

    def lock_age_s(self, upload_id: str) -> float | None:
        """Return the time since an upload was about to be committed, or None if it was: its lock file is gone.

        A time in the future counts as well: the clock has been set back since.
        """
        try:
            return abs(time.time() - (self.root / upload_id / LOCK_FILE).stat().st_mtime)
        except FileNotFoundError:
            return None

    def remove_lock(self, upload_id: str) -> None:
        """Remove the lock file of a process that died right after its commit."""
        (self.root / upload_id / LOCK_FILE).unlink(missing_ok=True)

    def remove_abandoned(self) -> list[str]:
        """Remove what dead processes or failed removals left in the staging area; return the names."""
        staging = self.root / STAGING
        if not staging.is_dir():
            return []
        abandoned = [path for path in sorted(staging.iterdir()) if is_abandoned(path)]
        return [path.name for path in abandoned if remove_directory(path, temp_dir=self.root)]

    def free_bytes(self) -> int:
        """Return the free space of the disk."""
        return shutil.disk_usage(self.root).free


def _check_owner(path: Path) -> None:
    """Check that ``path``, and the link that leads to it, belong to this user or root.

    Raises:
        SettingsError: another user owns one of them, and could read, replace or remove the chunks.
    """
    ours = {0, os.geteuid()}
    for owner in (path.lstat().st_uid, path.stat().st_uid):
        if owner not in ours:
            raise SettingsError(
                f"TEMP_DIR: {path} belongs to user {owner}, but the uploader runs as user {os.geteuid()}; its owner "
                "could read and replace the chunks. Use a directory that only the uploader owns, or change its owner"
            )
