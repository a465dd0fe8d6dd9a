"""What a later run needs to go on with an upload, one private file each, below the user's state directory.

There is no key to the uploader in it, and no offset: the uploader knows how much it has.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from csvpipe.errors import UploadInUseError
from csvpipe.upload.source import FileIdentity

NOT_SAVED = "Another run cannot continue this upload, as its state is not saved"
"""Beginning of a message; the reason follows."""
_REMEMBERED_S = 30 * 24 * 3600
"""How long what nobody asks for is kept: as long as an uploader knows what became of an upload."""


class SavedUpload(BaseModel):
    """An upload that was begun.

    Attributes:
        server: address of the uploader.
        path: of the file, absolute.
        file: what the file was; None for a pipe, of which nothing is saved.
        fields: the options of the upload.
        idempotency_key: sent with every attempt, so that the file is accepted once.
        resumable_id: of the upload at the uploader; None if it was not created, or its creation was not confirmed.
    """

    version: Literal[1] = 1
    server: str
    path: str
    file: FileIdentity | None
    fields: dict[str, str]
    idempotency_key: str
    resumable_id: str | None = None


class UploadSlot:
    """The place of one upload on the disk, locked by this process; without a directory it forgets."""

    def __init__(self, path: Path | None, wanted: SavedUpload) -> None:
        self._path = path
        self.current = wanted

    def load(self) -> SavedUpload | None:
        """Return what an earlier run has saved, or None if there is nothing that can be read."""
        if self._path is None:
            return None
        try:
            return SavedUpload.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, upload: SavedUpload) -> None:
        """Replace what is saved, in one step.

        Raises:
            OSError: the disk does not allow it.
        """
        self.current = upload
        if self._path is None:
            return
        with NamedTemporaryFile("w", dir=self._path.parent, prefix=".new-", delete=False) as file:  # mode 0600
            try:
                file.write(json.dumps(upload.model_dump(), indent=2))  # ASCII, whatever is in it
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def forget(self) -> None:
        """Remove what is saved."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


class SavedUploads:
    """The uploads that runs of the command have begun."""

    def __init__(self, directory: Path | None) -> None:
        """Use ``directory``, made if it is missing; None: nothing is saved.

        Raises:
            OSError: it cannot be made.
        """
        self._directory = directory
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_old(directory)

    @contextmanager
    def slot(
        self,
        *,
        server: str,
        path: Path,
        file: FileIdentity | None,
        fields: Mapping[str, str],
        idempotency_key: str | None,
    ) -> Iterator[UploadSlot]:
        """Give the place of an upload, for this process alone.

        Raises:
            UploadInUseError: another process has it.
            OSError: the disk does not allow it.
        """
        wanted = SavedUpload(
            server=server,
            path=os.fsencode(os.path.realpath(path)).decode("utf-8", "backslashreplace"),
            file=file,
            fields=dict(fields),
            idempotency_key=idempotency_key or uuid4().hex,
        )
        if self._directory is None:
            yield UploadSlot(None, wanted)
            return
        place = self._directory / f"{_name_of(wanted, idempotency_key)}.json"
        with _locked(place.with_suffix(".lock"), what=str(path)):
            yield UploadSlot(place, wanted)

    @staticmethod
    def _remove_old(directory: Path) -> None:
        for path in directory.iterdir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _REMEMBERED_S:
                    path.unlink()


def state_directory() -> Path:
    """Return the directory of saved uploads, which may not exist (XDG Base Directory Specification).

    Raises:
        RuntimeError: the home directory of the user is unknown.
    """
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    folder = base if base.is_absolute() else Path.home() / ".local" / "state"
    return folder / "csvpipe" / "uploads"


def _name_of(upload: SavedUpload, idempotency_key: str | None) -> str:
    named = [upload.server, upload.path, sorted(upload.fields.items()), idempotency_key]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


@contextmanager
def _locked(path: Path, *, what: str) -> Iterator[None]:
    while True:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadInUseError(
                    f"another process is sending {what} with the same options; wait for it, or stop it"
                ) from None
            if not _is_open_file(fd, path):
                continue  # the process that had the lock has removed the file meanwhile
            try:
                yield
            finally:
                with suppress(OSError):
                    path.unlink()  # while the lock is held
            return
        finally:
            os.close(fd)


def _is_open_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
