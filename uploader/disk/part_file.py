"""The bytes of a resumable upload as sent so far, with how many of them are durable and what is known of them.

``TEMP_DIR/.resumable/{upload_id}/`` has the bytes (``data``), the marks that a scan has set so far (``marks``), a lock
and two slots for the state. A new state is written over the older slot: if that fails halfway, the other one is still
whole. It needs no space on the disk that the slot does not have already, so it succeeds on a full disk too.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from uploader.disk.directories import LOCK_FILE, STAGING, fsync_directory, make_private, remove_directory
from uploader.disk.writeback import start_writeback

RESUMABLE = ".resumable"
_DATA, _MARKS, _SLOTS = "data", "marks", ("state.0", "state.1")
_SLOT_BYTES = 4096
"""What a slot has from the start: enough for any state."""
_MODE = 0o600
_WRITEBACK_BYTES = 256 * 1024
"""From what size on it is worth a call to begin writing to the disk at once."""
_MARK = struct.Struct("<QQ")
_HEAD = struct.Struct("<II")
"""CRC-32 and size of the JSON that follows."""


@dataclass(frozen=True, kw_only=True)
class PartState:
    """What is durable.

    Attributes:
        number: counts the states; the highest one counts.
        offset: number of durable bytes.
        touched_at: when the last byte came, in seconds since 1970.
        length: size of the whole file, or None if it is not known yet.
        marks: how many marks belong to ``scan``.
        scan: where a scan of the bytes has got to, or None if it has to start again.
    """

    number: int = 0
    offset: int = 0
    touched_at: float
    length: int | None
    marks: int = 0
    scan: dict[str, Any] | None = None


Mark = tuple[int, int]
"""A position between two rows: bytes, and rows before it."""


class PartFile:
    """The open files of one resumable upload. All calls block; only the holder of its turn may open it."""

    def __init__(self, directory: Path, state: PartState) -> None:
        self.directory = directory
        self.state = state
        self.fd = os.open(directory / _DATA, os.O_RDWR | os.O_CLOEXEC)
        self.size = state.offset
        """Number of bytes written, durable or not."""

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the files, and drop bytes that were written but are not known to be durable.

        Raises:
            FileNotFoundError: there are none.
        """
        part = cls(directory, read_state(directory))
        try:
            os.ftruncate(part.fd, part.size)
        except BaseException:
            part.close()
            raise
        return part

    def append(self, data: memoryview) -> None:
        """Write ``data`` after the bytes written so far."""
        _write_at(self.fd, data, self.size)
        if len(data) >= _WRITEBACK_BYTES:
            start_writeback(self.fd, start=self.size, size_bytes=len(data))
        self.size += len(data)

    def save(self, *, offset: int, scan: dict[str, Any] | None, new_marks: Sequence[Mark], touched_at: float) -> None:
        """Make the first ``offset`` bytes durable, and what is known of them.

        Args:
            offset: bytes, all written by now.
            scan: the state of a scan that has got no further.
            new_marks: marks that the scan has set since the last call.
            touched_at: when the last byte came, in seconds since 1970.
        """
        os.fdatasync(self.fd)
        marks = self.state.marks + len(new_marks)
        if new_marks:
            self._append_marks(new_marks)
        self._write(
            PartState(
                **{**asdict(self.state), "offset": offset, "scan": scan, "marks": marks, "touched_at": touched_at}
            )
        )

    def set_length(self, length: int) -> None:
        """Store the size of the whole file durably."""
        self._write(PartState(**{**asdict(self.state), "length": length}))

    @property
    def path(self) -> Path:
        """The file with the bytes."""
        return self.directory / _DATA

    def read_prefix(self, size: int) -> bytes:
        """Return the first ``size`` bytes."""
        return os.pread(self.fd, size, 0)

    def read_marks(self) -> list[Mark]:
        """Return the marks that belong to the state of the scan."""
        size = self.state.marks * _MARK.size
        content = (self.directory / _MARKS).read_bytes() if size else b""
        return [_MARK.unpack_from(content, start) for start in range(0, size, _MARK.size)]

    def close(self) -> None:
        """Close the files. A failure says nothing: what is durable was synced."""
        with suppress(OSError):
            os.close(self.fd)

    def _append_marks(self, marks: Sequence[Mark]) -> None:
        content = b"".join(_MARK.pack(*mark) for mark in marks)
        fd = os.open(self.directory / _MARKS, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write_at(fd, content, self.state.marks * _MARK.size)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def _write(self, state: PartState) -> None:
        numbered = PartState(**{**asdict(state), "number": self.state.number + 1})
        _write_slot(self.directory, numbered)
        self.state = numbered


def create_part(temp_dir: Path, upload_id: str, *, length: int | None, at: float) -> PartState:
    """Create the files of a new upload durably, and return their state.

    They are made in the staging area and appear under their name when they are complete. The lock comes last: until
    then nobody else uses them.

    Raises:
        OSError: the disk is full or has failed; nothing is left.
    """
    root, draft = temp_dir / RESUMABLE, temp_dir / STAGING / f"{upload_id}.new"
    if not root.exists():
        make_private(root)
        fsync_directory(temp_dir)
    make_private(draft)
    state = PartState(touched_at=at, length=length)
    directory = part_directory(temp_dir, upload_id)
    try:
        for name in (_DATA, _MARKS):
            _create(draft / name)
        for name in _SLOTS:
            _make_slot(draft / name)
        _write_slot(draft, state)
        draft.rename(directory)
        _create(directory / LOCK_FILE)
        fsync_directory(directory)
        fsync_directory(root)
    except BaseException:
        remove_directory(draft, temp_dir=temp_dir)
        remove_part(temp_dir, upload_id)
        raise
    return state


def part_directory(temp_dir: Path, upload_id: str) -> Path:
    """Return the directory of a resumable upload."""
    return temp_dir / RESUMABLE / upload_id


def read_state(directory: Path) -> PartState:
    """Return the newest state that is whole.

    Raises:
        FileNotFoundError: there is none: the upload has ended, or its disk is lost.
    """
    states = [state for name in _SLOTS if (state := _read_slot(directory / name)) is not None]
    if not states:
        raise FileNotFoundError(f"{directory} has no state")
    return max(states, key=lambda state: state.number)


def part_ids(temp_dir: Path) -> list[str]:
    """Return the ids of the resumable uploads that have files."""
    root = temp_dir / RESUMABLE
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def remove_part(temp_dir: Path, upload_id: str) -> bool:
    """Remove the files of a resumable upload, and return whether nothing is left.

    They are first renamed into the staging area: if the removal fails halfway, the cleaner removes the rest.
    """
    make_private(temp_dir / STAGING)
    doomed = temp_dir / STAGING / f"{upload_id}.{os.urandom(4).hex()}"
    try:
        part_directory(temp_dir, upload_id).rename(doomed)
    except FileNotFoundError:
        return True
    return remove_directory(doomed, temp_dir=temp_dir)


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE))


def _make_slot(path: Path) -> None:
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    try:
        _write_at(fd, bytes(_SLOT_BYTES), 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_slot(directory: Path, state: PartState) -> None:
    text = json.dumps(asdict(state), separators=(",", ":")).encode()
    fd = os.open(directory / _SLOTS[state.number % 2], os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_at(fd, _HEAD.pack(zlib.crc32(text), len(text)) + text, 0)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _read_slot(path: Path) -> PartState | None:
    """Return the state in a slot, or None if it is missing, still empty or not whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _HEAD.size:
        return None
    checksum, size = _HEAD.unpack_from(content)
    text = content[_HEAD.size : _HEAD.size + size]
    if not size or len(text) < size or zlib.crc32(text) != checksum:
        return None
    return PartState(**json.loads(text))


def _write_at(fd: int, content: bytes | memoryview, start: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, start)
        view, start = view[written:], start + written


def sum_missing(states: Iterable[PartState]) -> int:
    """Return how many bytes the clients of these uploads may still send, as far as their lengths are known."""
    return sum(max(0, (state.length or state.offset) - state.offset) for state in states)
