"""SHA-256 of the bytes of a resumable upload and of its chunks, computed while the bytes arrive.

Only durable bytes are hashed, as these never change. The hashes are in memory alone: if they are lost, they are
computed from the file when it is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from uploader.ingest.pipeline.blocks import DEFAULT_BLOCK_BYTES
from uploader.ingest.pipeline.file_io import read_blocks


@dataclass(frozen=True)
class Cuts:
    """What a scan has found.

    Attributes:
        prefix: the header, which every chunk starts with.
        ends: where chunks end, in bytes of the file, as far as this is known.
    """

    prefix: bytes
    ends: Sequence[int]


@dataclass(frozen=True)
class FileDigests:
    """The hashes of a complete file.

    Attributes:
        content: of the file.
        chunks: of the chunks with the header in front, by the bytes of the file that their bodies start and end at.
    """

    content: str
    chunks: Mapping[tuple[int, int], str]


class PartDigests:
    """Hashes one file and its chunks, one after the other."""

    def __init__(self, path: Path, *, threads: Executor) -> None:
        """Begin with the first byte.

        Args:
            path: the file.
            threads: those in which :meth:`follow` hashes.
        """
        self._path = path
        self._threads = threads
        self._target: tuple[int, Cuts] | None = None
        self._hashing = Lock()
        self._content = hashlib.sha256()
        self._chunk = self._content
        """The first chunk is the start of the content: it needs no hash of its own."""
        self._start: int | None = None
        self._chunks: dict[tuple[int, int], str] = {}
        self._is_queued = False
        self.position = 0
        """How many bytes were hashed."""
        self.is_lost = False
        """Whether the hashes are useless, because the file has failed or the upload has ended."""

    def follow(self, end: int, cuts: Cuts) -> None:
        """Hash the bytes before ``end`` in the background; calls of one object come one after the other.

        Args:
            end: durable bytes.
            cuts: found in them; those of the last call, and possibly more.
        """
        self._target = (end, cuts)
        if self._is_queued or self.is_lost:
            return
        self._is_queued = True
        try:
            self._threads.submit(self._catch_up)
        except RuntimeError:  # the process is stopping
            self.is_lost = True

    def finish(self, end: int, cuts: Cuts, *, check_stopped: Callable[[], None]) -> FileDigests | None:
        """Hash the rest, and return all hashes (blocks); None if they are lost.

        Args:
            end: size of the file.
            cuts: all that are known.
            check_stopped: called now and then; raises if the upload is no longer wanted.
        """
        with self._hashing:
            self._advance(end, cuts, check_stopped)
            if self.is_lost:
                return None
            start = len(cuts.prefix) if self._start is None else self._start
            chunks = {**self._chunks, (start, self.position): self._chunk.hexdigest()}
            return FileDigests(self._content.hexdigest(), chunks)

    def stop(self) -> None:
        """Hash nothing more."""
        self.is_lost = True

    def _catch_up(self) -> None:
        self._is_queued = False  # before the target is read: a later one is queued again
        with self._hashing:
            if self._target is not None:
                self._advance(*self._target, lambda: None)

    def _advance(self, end: int, cuts: Cuts, check: Callable[[], None]) -> None:
        """Hash up to ``end``, unless the hashes are lost; they are if the file does not have what it should."""
        try:
            if self.position < end and not self.is_lost:
                self._read(end, cuts, check)
        except (OSError, ValueError):
            self.is_lost = True

    def _read(self, end: int, cuts: Cuts, check: Callable[[], None]) -> None:
        buffer = memoryview(bytearray(DEFAULT_BLOCK_BYTES))
        with self._path.open("rb", buffering=0) as file:
            for data in read_blocks(file.fileno(), buffer, start=self.position, end=end):
                check()
                self._update(data, cuts)
                if self.is_lost:
                    return

    def _update(self, data: memoryview, cuts: Cuts) -> None:
        while data:
            ended = len(self._chunks)
            next_end = cuts.ends[ended] if ended < len(cuts.ends) else None
            size = len(data) if next_end is None else min(len(data), next_end - self.position)
            if size < 0:
                raise ValueError(f"chunk {ended + 1} ends at byte {next_end}, which has passed")
            self._content.update(data[:size])
            if self._chunk is not self._content:
                self._chunk.update(data[:size])
            self.position += size
            data = data[size:]
            if self.position == next_end:
                self._end_chunk(cuts.prefix)

    def _end_chunk(self, prefix: bytes) -> None:
        start = len(prefix) if self._start is None else self._start
        self._chunks[start, self.position] = self._chunk.hexdigest()
        self._start = self.position
        self._chunk = hashlib.sha256(prefix)
