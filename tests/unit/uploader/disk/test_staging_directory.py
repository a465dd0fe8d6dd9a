"""The directory of an incoming upload."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directories import LOCK_FILE, STAGING, is_abandoned
from uploader.disk.manifest_file import MANIFEST_FILE
from uploader.disk.staging_directory import StagingDirectory, open_staging
from uploader.errors import DiskFullError

UPLOAD_ID = "0" * 32


def test_committed_files_are_kept_and_the_lock_is_removed(tmp_path: Path) -> None:
    async def commit() -> None:
        async with open_staging(tmp_path, UPLOAD_ID) as directory:
            (directory.path / "chunk").write_bytes(b"x")
            assert await directory.commit(b"{}") == tmp_path / UPLOAD_ID
            assert not is_abandoned(tmp_path / UPLOAD_ID)

    asyncio.run(commit())
    assert {path.name for path in (tmp_path / UPLOAD_ID).iterdir()} == {"chunk", MANIFEST_FILE}
    assert (tmp_path / UPLOAD_ID / MANIFEST_FILE).read_bytes() == b"{}"


def test_error_before_the_commit_removes_everything(tmp_path: Path) -> None:
    async def fail() -> None:
        async with open_staging(tmp_path, UPLOAD_ID) as directory:
            (directory.path / "chunk").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert list(tmp_path.rglob("*")) == [tmp_path / STAGING]


def test_error_after_the_commit_keeps_the_files(tmp_path: Path) -> None:
    async def fail(*, discard: bool) -> None:
        async with open_staging(tmp_path, UPLOAD_ID) as directory:
            await directory.commit(b"{}")
            if discard:
                await directory.discard()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail(discard=False))
    assert (tmp_path / UPLOAD_ID).is_dir()
    shutil.rmtree(tmp_path / UPLOAD_ID)
    with pytest.raises(RuntimeError):
        asyncio.run(fail(discard=True))
    assert not (tmp_path / UPLOAD_ID).exists()


@pytest.mark.parametrize("step", ["fcntl.flock", "fsync_directory"])
def test_disk_without_room_for_the_directory_is_reported_as_full(tmp_path: Path, step: str) -> None:
    async def commit() -> None:
        async with open_staging(tmp_path, UPLOAD_ID) as directory:
            try:
                await directory.commit(b"{}")
            except OSError:
                await directory.discard()
                raise

    full = OSError(errno.EDQUOT, "Disk quota exceeded")
    with (
        patch(f"uploader.disk.staging_directory.{step}", side_effect=full),
        pytest.raises(DiskFullError),
    ):
        asyncio.run(commit())
    assert list(tmp_path.rglob("*")) == [tmp_path / STAGING]


def test_directory_is_abandoned_when_its_process_has_died(tmp_path: Path) -> None:
    async def look() -> None:
        async with open_staging(tmp_path, UPLOAD_ID) as directory:
            assert not is_abandoned(directory.path)

    asyncio.run(look())
    left = tmp_path / STAGING / UPLOAD_ID
    left.mkdir()
    (left / LOCK_FILE).touch()
    assert is_abandoned(left)


def test_directory_is_not_abandoned_while_its_lock_is_being_taken(tmp_path: Path) -> None:
    real_flock, seen = fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        with patch("uploader.disk.staging_directory.fcntl.flock", real_flock):
            seen.append(is_abandoned(tmp_path / STAGING / UPLOAD_ID))
        real_flock(fd, operation)

    async def create() -> None:
        with patch("uploader.disk.staging_directory.fcntl.flock", flock):
            async with open_staging(tmp_path, UPLOAD_ID) as directory:
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


def test_killed_removal_leaves_no_directory_that_looks_like_an_upload(tmp_path: Path) -> None:
    """As after kill -9 while a repeated upload is thrown away: its lock file was among the first to go."""

    class Killed(BaseException):
        pass

    def killed(path: Path, **_: object) -> None:
        (Path(path) / LOCK_FILE).unlink()
        raise Killed

    directory = StagingDirectory(temp_dir=tmp_path, upload_id=UPLOAD_ID)
    directory.create()
    (directory.path / "chunk").write_bytes(b"x")
    directory._commit(b"{}")
    with patch("uploader.disk.directories.shutil.rmtree", killed), pytest.raises(Killed):
        directory._discard()
    files = ChunkFiles(tmp_path)
    assert files.upload_ids() == []
    [left] = (tmp_path / STAGING).iterdir()
    assert files.remove_abandoned() == []  # its process may still be at it
    os.utime(left, (0, 0))
    assert files.remove_abandoned() == [left.name]
    assert list((tmp_path / STAGING).iterdir()) == []


def discard(temp_dir: Path) -> None:
    directory = StagingDirectory(temp_dir=temp_dir, upload_id=UPLOAD_ID)
    directory.create()
    for name in ("a.csv", "b.csv", "c.csv"):
        (directory.path / name).write_bytes(b"x")
    directory._commit(b"{}")
    directory._discard()


def delete(temp_dir: Path) -> None:
    (temp_dir / UPLOAD_ID).mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (temp_dir / UPLOAD_ID / name).write_bytes(b"x")
    ChunkFiles(temp_dir).remove_upload(UPLOAD_ID)


def break_off(temp_dir: Path) -> None:
    async def receive() -> None:
        async with open_staging(temp_dir, UPLOAD_ID) as directory:
            (directory.path / "b.csv").write_bytes(b"x")

    asyncio.run(receive())


@pytest.mark.parametrize("remove", [discard, delete, break_off])
def test_failed_removal_is_logged_and_finished_by_the_next_sweep(
    tmp_path: Path, remove: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    unlink = os.unlink

    def fail_once(path: str, **given: int | None) -> None:
        if str(path).endswith("b.csv"):
            raise OSError(errno.EMFILE, "Too many open files")
        unlink(path, dir_fd=given.get("dir_fd"))

    with patch.object(shutil.os, "unlink", fail_once):  # type: ignore[attr-defined]  # what rmtree calls
        remove(tmp_path)
    files = ChunkFiles(tmp_path)
    assert files.upload_ids() == []
    assert [record.error for record in caplog.records if hasattr(record, "error")] == ["Too many open files"]
    [left] = (tmp_path / STAGING).iterdir()
    os.utime(left, (0, 0))
    assert files.remove_abandoned() == [left.name]
    assert list((tmp_path / STAGING).iterdir()) == []


def test_stray_file_in_the_staging_area_does_not_stop_the_sweep(tmp_path: Path) -> None:
    stray = tmp_path / STAGING / "core"
    stray.parent.mkdir()
    stray.touch()
    files = ChunkFiles(tmp_path)
    assert files.remove_abandoned() == []
    os.utime(stray, (0, 0))
    assert files.remove_abandoned() == ["core"]


def test_received_files_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        directory = StagingDirectory(temp_dir=tmp_path / "chunks", upload_id=UPLOAD_ID)
        directory.create()
    finally:
        os.umask(old)
    for path in (directory.path, directory.path.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    assert (directory.path / LOCK_FILE).stat().st_mode & 0o777 == 0o600
    directory._discard()
