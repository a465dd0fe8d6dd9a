"""Which resumable uploads a process hashes while their bytes arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.uploader.fake_executor import FakeImmediateExecutor
from uploader.disk.part_file import PartFile, create_part, part_directory
from uploader.resumable import background_digests
from uploader.resumable.background_digests import BackgroundDigests
from uploader.resumable.part_digests import Cuts


@pytest.fixture
def worker() -> BackgroundDigests:
    return BackgroundDigests(threads=FakeImmediateExecutor())


@contextmanager
def _part(temp_dir: Path, upload_id: str = "a", *, received: int) -> Iterator[PartFile]:
    directory = part_directory(temp_dir, upload_id)
    if not directory.exists():
        create_part(temp_dir, upload_id, length=100, at=time.time())
    part = PartFile.open(directory)
    try:
        if received > part.size:
            part.append(memoryview(b"x" * (received - part.size)))
            part.save(offset=received, scan=None, new_marks=[], touched_at=time.time())
        yield part
    finally:
        part.close()


def test_upload_that_began_here_is_hashed_to_its_end(worker: BackgroundDigests, tmp_path: Path) -> None:
    with _part(tmp_path, received=0) as part:
        first = worker.find("a", part)
    assert first is not None
    with _part(tmp_path, received=40) as part:  # by another worker
        assert worker.find("a", part) is first
    first.follow(40, Cuts(b"", []))
    with _part(tmp_path, received=40) as part:
        assert worker.find("a", part) is first


def test_upload_that_began_elsewhere_is_not_hashed(worker: BackgroundDigests, tmp_path: Path) -> None:
    with _part(tmp_path, received=1) as part:
        assert worker.find("a", part) is None


def test_hashes_of_bytes_that_are_not_durable_are_dropped(worker: BackgroundDigests, tmp_path: Path) -> None:
    with _part(tmp_path, received=0) as part:
        first = worker.find("a", part)
        assert first is not None
        part.append(memoryview(b"x" * 40))
        first.follow(40, Cuts(b"", []))
        part.save(offset=30, scan=None, new_marks=[], touched_at=time.time())
    with _part(tmp_path, received=30) as part:
        assert worker.find("a", part) is None
    assert first.is_lost


def test_lost_hashes_begin_again_with_the_first_byte_only(worker: BackgroundDigests, tmp_path: Path) -> None:
    with _part(tmp_path, received=0) as part:
        first = worker.find("a", part)
        assert first is not None
        first.stop()
        assert worker.find("a", part) not in {None, first}
        worker.drop("a")
    with _part(tmp_path, received=1) as part:
        assert worker.find("a", part) is None


def test_uploads_that_were_used_last_are_kept(worker: BackgroundDigests, tmp_path: Path) -> None:
    with (
        patch.object(background_digests, "_MOST_UPLOADS", 2),
        _part(tmp_path, "a", received=0) as a,
        _part(tmp_path, "b", received=0) as b,
        _part(tmp_path, "c", received=0) as c,
    ):
        first, second = worker.find("a", a), worker.find("b", b)
        assert worker.find("a", a) is first
        worker.find("c", c)
        assert worker.find("a", a) is first
        assert second is not None
        assert second.is_lost


def test_nothing_is_hashed_after_the_end(tmp_path: Path) -> None:
    worker = BackgroundDigests()
    with _part(tmp_path, received=0) as part:
        digests = worker.find("a", part)
        assert digests is not None
        asyncio.run(worker.close())
        assert digests.is_lost
