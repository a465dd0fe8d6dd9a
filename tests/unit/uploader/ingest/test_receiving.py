"""The directory of an upload that comes in."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from uploader.errors import DiskFullError
from uploader.receiving import LOCK_FILE, RECEIVING, is_abandoned, receiving_directory

UPLOAD_ID = "0" * 32


def test_committed_files_stay_and_the_lock_goes(tmp_path: Path) -> None:
    async def commit() -> None:
        async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
            (directory.path / "chunk").write_bytes(b"x")
            assert await directory.commit() == tmp_path / UPLOAD_ID
            assert not is_abandoned(tmp_path / UPLOAD_ID)

    asyncio.run(commit())
    assert [path.name for path in (tmp_path / UPLOAD_ID).iterdir()] == ["chunk"]


def test_error_before_the_commit_removes_everything(tmp_path: Path) -> None:
    async def fail() -> None:
        async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
            (directory.path / "chunk").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert list(tmp_path.rglob("*")) == [tmp_path / RECEIVING]


def test_error_after_the_commit_leaves_the_files_to_the_caller(tmp_path: Path) -> None:
    async def fail(*, discard: bool) -> None:
        async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
            await directory.commit()
            if discard:
                await directory.discard()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail(discard=False))
    assert (tmp_path / UPLOAD_ID).is_dir()
    (tmp_path / UPLOAD_ID).rmdir()
    with pytest.raises(RuntimeError):
        asyncio.run(fail(discard=True))
    assert not (tmp_path / UPLOAD_ID).exists()


@pytest.mark.parametrize("step", ["fcntl.flock", "fsync_directory"])
def test_disk_that_has_no_room_for_the_directory_is_called_full(tmp_path: Path, step: str) -> None:
    async def commit() -> None:
        async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
            try:
                await directory.commit()
            except OSError:
                await directory.discard()
                raise

    full = OSError(errno.EDQUOT, "Disk quota exceeded")
    with patch(f"uploader.receiving.{step}", side_effect=full), pytest.raises(DiskFullError, match="ran full"):
        asyncio.run(commit())
    assert list(tmp_path.rglob("*")) == [tmp_path / RECEIVING]


def test_directory_is_abandoned_when_its_process_has_died(tmp_path: Path) -> None:
    async def look() -> None:
        async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
            assert not is_abandoned(directory.path)

    asyncio.run(look())
    left = tmp_path / RECEIVING / UPLOAD_ID
    left.mkdir()
    (left / LOCK_FILE).touch()
    assert is_abandoned(left)


def test_directory_is_not_abandoned_while_its_lock_is_being_taken(tmp_path: Path) -> None:
    real_flock, seen = fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        with patch("uploader.receiving.fcntl.flock", real_flock):
            seen.append(is_abandoned(tmp_path / RECEIVING / UPLOAD_ID))
        real_flock(fd, operation)

    async def create() -> None:
        with patch("uploader.receiving.fcntl.flock", flock):
            async with receiving_directory(tmp_path, UPLOAD_ID) as directory:
                assert [path.name for path in directory.path.iterdir()] == [LOCK_FILE]

    asyncio.run(create())
    assert seen == [False]


def test_directory_without_a_lock_is_abandoned_when_it_is_old(tmp_path: Path) -> None:
    left = tmp_path / UPLOAD_ID
    left.mkdir()
    assert not is_abandoned(left)
    os.utime(left, (0, 0))
    assert is_abandoned(left)
    left.rmdir()
    assert not is_abandoned(left)
