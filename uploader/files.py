"""The chunk files on this replica's disk."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from uploader.receiving import LOCK_FILE, RECEIVING, fsync_directory, is_abandoned
from uploader.settings import SettingsError
from uploader.store.records import ChunkRecord

DISK_ID_FILE = ".replica"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UPLOAD_DIRECTORY = re.compile(r"[0-9a-f]{32}")


class ChunkFiles:
    """``TEMP_DIR/{upload_id}/{filename}``. All calls block."""

    def __init__(self, temp_dir: Path) -> None:
        self.root = temp_dir
        """``TEMP_DIR``."""

    def make_root(self) -> None:
        """Make ``TEMP_DIR`` durably where it is missing, and try it out.

        Raises:
            SettingsError: it cannot be made, or nothing can be written there.
        """
        try:
            missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(parents=True, exist_ok=True, mode=0o750)
            for path in missing:
                fsync_directory(path.parent)
            self.probe()
        except OSError as error:
            if error.errno not in _FULL:  # a disk that is full is cleaned, and /ready says so
                raise SettingsError(f"TEMP_DIR: {self.root} cannot be used: {error.strerror}") from error

    def probe(self) -> None:
        """Return if a file can be written (it leaves none behind)."""
        with tempfile.TemporaryFile(dir=self.root) as file:
            file.write(b"x")
            file.flush()

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
        for chunk in chunks:
            self.path(chunk).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            fsync_directory(directory)
        with suppress(OSError):  # other chunks' files are still there
            directory.rmdir()

    def remove_upload(self, upload_id: str) -> None:
        """Remove the directory of an upload with all that is in it."""
        # By way of .receiving: where this is interrupted, what is left does not look like an upload.
        doomed = self.root / RECEIVING / upload_id
        doomed.parent.mkdir(exist_ok=True, mode=0o750)
        with suppress(FileNotFoundError):
            (self.root / upload_id).rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def upload_ids(self) -> list[str]:
        """Return the ids of the uploads that have a directory."""
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if _UPLOAD_DIRECTORY.fullmatch(entry.name))

    def is_abandoned(self, upload_id: str) -> bool:
        """Return whether no living process is about to commit the directory of an upload."""
        return is_abandoned(self.root / upload_id)

    def lock_age_s(self, upload_id: str) -> float | None:
        """Return how long ago an upload was about to be committed; None where it was, as its lock file is gone."""
        try:
            return time.time() - (self.root / upload_id / LOCK_FILE).stat().st_mtime
        except FileNotFoundError:
            return None

    def forget_lock(self, upload_id: str) -> None:
        """Remove the lock file that a process left that died right after its commit."""
        (self.root / upload_id / LOCK_FILE).unlink(missing_ok=True)

    def remove_half_received(self) -> list[str]:
        """Remove what dead processes left under ``.receiving``; return the upload ids."""
        receiving = self.root / RECEIVING
        if not receiving.is_dir():
            return []
        abandoned = [path for path in sorted(receiving.iterdir()) if is_abandoned(path)]
        for path in abandoned:
            shutil.rmtree(path, ignore_errors=True)
        return [path.name for path in abandoned]

    def free_bytes(self) -> int:
        """Return how much the disk still takes."""
        return shutil.disk_usage(self.root).free
