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

from uploader.disk.manifest_file import CLEANED_SUFFIX, MANIFEST_FILE
from uploader.disk.staging import LOCK_FILE, RECEIVING, fsync_directory, is_abandoned, remove_directory
from uploader.domain.records import ChunkRecord
from uploader.runtime.os_errors import FULL
from uploader.settings import SettingsError

DISK_ID_FILE = ".replica"
_UPLOAD_DIRECTORY = re.compile(r"[0-9a-f]{32}")


class ChunkFiles:
    """``TEMP_DIR/{upload_id}/{filename}``. All calls block."""

    def __init__(self, temp_dir: Path) -> None:
        self.root = temp_dir
        """``TEMP_DIR``."""

    def make_root(self) -> None:
        """Make ``TEMP_DIR`` durably where it is missing, and try it out.

        Raises:
            SettingsError: it cannot be made, belongs to another user, or nothing can be written there.
        """
        try:
            missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in missing:
                fsync_directory(path.parent)
            _check_owner(self.root)
            self.probe()
        except OSError as error:
            if error.errno not in FULL:  # a disk that is full is cleaned, and /ready says so
                raise SettingsError(f"TEMP_DIR: {self.root} cannot be used: {error.strerror}") from error

    def probe(self) -> None:
        """Return if a file can be written (it leaves none behind)."""
        with tempfile.TemporaryFile(dir=self.root) as file:
            file.write(b"x")
            file.flush()

    def is_full(self) -> bool:
        """Return whether not even a small file can be written, as nothing is left of the disk or of the quota."""
        try:
            self.probe()
        except OSError as error:
            return error.errno in FULL
        return False

    def disk_id(self) -> str | None:
        """Return the id that was given to this disk; None where it has none yet."""
        try:
            return (self.root / DISK_ID_FILE).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def name_disk(self) -> str:
        """Give this disk an id, unless it has one, durably, and return it; several processes agree."""
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
        """Return where the file of ``chunk`` lies, or lay."""
        return self.root / chunk.upload_id / chunk.filename

    def was_cleaned(self, chunk: ChunkRecord) -> bool:
        """Return whether the file of ``chunk`` was removed after it had landed, while others of its upload remain."""
        return self._cleaned_mark(chunk).exists()

    def has_manifest(self, upload_id: str) -> bool:
        """Return whether the directory of an upload has a manifest file: then it is a whole one."""
        return (self.root / upload_id / MANIFEST_FILE).exists()

    def _cleaned_mark(self, chunk: ChunkRecord) -> Path:
        path = self.path(chunk)
        return path.with_name(path.name + CLEANED_SUFFIX)

    def fault(self, chunk: ChunkRecord) -> str | None:
        """Return what is wrong with the file of ``chunk``; None where it is there, in its size."""
        try:
            size_bytes = self.path(chunk).stat().st_size
        except FileNotFoundError:
            return "its file is gone from the uploader's disk"
        if size_bytes != chunk.size_bytes:
            return f"its file has {size_bytes} bytes on the uploader's disk instead of {chunk.size_bytes}"
        return None

    def remove_chunks(self, upload_id: str, chunks: Iterable[ChunkRecord]) -> None:
        """Remove files for good: when this returns, a power cut does not bring them back."""
        directory = self.root / upload_id
        if not directory.exists():
            return
        for chunk in chunks:
            with suppress(OSError):  # no room for it: the file goes all the same
                self._cleaned_mark(chunk).touch(mode=0o600)
            self.path(chunk).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            fsync_directory(directory)
            if not any(path.suffix == ".csv" for path in directory.iterdir()):
                self.remove_upload(upload_id)

    def remove_upload(self, upload_id: str) -> None:
        """Remove the directory of an upload with all that is in it; what cannot be removed goes at the next sweep."""
        remove_directory(self.root / upload_id, temp_dir=self.root)

    def upload_ids(self) -> list[str]:
        """Return the ids of the uploads that have a directory."""
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if _UPLOAD_DIRECTORY.fullmatch(entry.name))

    def is_abandoned(self, upload_id: str) -> bool:
        """Return whether no living process is about to commit the directory of an upload."""
        return is_abandoned(self.root / upload_id)

    def lock_age_s(self, upload_id: str) -> float | None:
        """Return how far from now an upload was about to be committed; None where it was, as its lock file is gone.

        In the future counts as well: the clock has been put back since.
        """
        try:
            return abs(time.time() - (self.root / upload_id / LOCK_FILE).stat().st_mtime)
        except FileNotFoundError:
            return None

    def forget_lock(self, upload_id: str) -> None:
        """Remove the lock file that a process left that died right after its commit."""
        (self.root / upload_id / LOCK_FILE).unlink(missing_ok=True)

    def remove_half_received(self) -> list[str]:
        """Remove what dead processes, or removals that failed, left under ``.receiving``; return the names."""
        receiving = self.root / RECEIVING
        if not receiving.is_dir():
            return []
        abandoned = [path for path in sorted(receiving.iterdir()) if is_abandoned(path)]
        return [path.name for path in abandoned if remove_directory(path, temp_dir=self.root)]

    def free_bytes(self) -> int:
        """Return how much the disk still takes."""
        return shutil.disk_usage(self.root).free


def _check_owner(path: Path) -> None:
    """Check that nobody but this user, or root, owns ``path``, nor the link that leads there.

    Raises:
        SettingsError: another user does, and could read, exchange or remove what is in it.
    """
    ours = {0, os.geteuid()}
    for owner in (path.lstat().st_uid, path.stat().st_uid):
        if owner not in ours:
            raise SettingsError(
                f"TEMP_DIR: {path} belongs to user {owner}, and the uploader runs as user {os.geteuid()}: its owner "
                "could read and exchange the chunks. Choose a directory of the uploader's own, or change its owner"
            )
