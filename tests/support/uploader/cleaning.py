"""Fakes of what the cleaner works on, and the files that it leaves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.errors import BucketUnavailableError


class FakeDisk(ChunkFiles):
    """The real files, with free space as the test says: so much, and what was removed."""

    free = 1_000_000
    given_back_per_chunk = 0

    def free_bytes(self) -> int:
        return self.free

    def remove_chunks(self, upload_id: str, chunks: Iterable[ChunkRecord]) -> None:
        removed = list(chunks)
        super().remove_chunks(upload_id, removed)
        self.free += self.given_back_per_chunk * len(removed)


class FakeObjectChecker:
    """Finds the faults that a test has put in, by chunk; with ``is_away`` it does not answer."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.is_away = False
        self.asked: list[ChunkObject] = []

    def find_fault(self, expected: ChunkObject) -> str | None:
        if self.is_away:
            raise BucketUnavailableError("the bucket does not answer")
        self.asked.append(expected)
        return self.faults.get(expected.key)


def chunk_names(temp_dir: Path, upload: UploadRecord) -> list[str]:
    """Return the names of the chunk files of ``upload``."""
    directory = temp_dir / upload.upload_id
    return sorted(path.name for path in directory.iterdir() if path.suffix == ".csv") if directory.exists() else []
