"""TEMP_DIR at the start, and the leases at the shutdown."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import uploader.disk.chunk_files
from contracts.errors import SettingsError
from tests.support.uploader.server import running_uploader
from tests.support.waiting import wait_until
from uploader.disk.chunk_files import ChunkFiles
from uploader.store.store import open_store


@pytest.mark.parametrize("kind", ["a file", "below a file", "not to be written to"])
def test_unusable_temp_dir_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.touch()
    # Root may write everywhere but where the kernel itself refuses.
    path = {"a file": file, "below a file": file / "chunks", "not to be written to": Path("/proc/self")}[kind]
    with pytest.raises(SettingsError) as caught:
        ChunkFiles(path).create_root()
    assert f"TEMP_DIR: {path} cannot be used: " in caught.value.detail


def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "csv-chunks"
    planted.mkdir()
    os.chown(planted, 65_534, 65_534)
    link = tmp_path / "link"
    link.symlink_to(planted)
    for path in (planted, link):
        with pytest.raises(SettingsError, match=f"{path} belongs to user 65534.*own"):
            ChunkFiles(path).create_root()


def test_directory_and_database_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with running_uploader(tmp_path / "chunks"):
            found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "chunks").glob("manifest*")}
    finally:
        os.umask(old)
    assert (tmp_path / "chunks").stat().st_mode & 0o777 == 0o700
    assert {"manifest.sqlite3", "manifest.sqlite3-wal", "manifest.sqlite3-shm"} <= set(found)
    assert set(found.values()) == {0o600}


def test_existing_database_is_made_private(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'manifest.sqlite3'}"
    open_store(url).close()
    (tmp_path / "manifest.sqlite3").chmod(0o644)
    open_store(url).close()
    assert (tmp_path / "manifest.sqlite3").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_process_without_threads_reports_that_it_must_be_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with running_uploader(tmp_path / "chunks") as server:
        url = f"{server.base_url}{path}"
        assert httpx.get(url, trust_env=False).status_code == 200
        start = threading.Thread.start

        def fail(thread: threading.Thread) -> None:
            if thread.name == "probe":
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", fail)
        answer = httpx.get(url, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (503, "process_exhausted")


def test_full_disk_does_not_prevent_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ChunkFiles(tmp_path / "chunks")

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "check_writable", full)
    files.create_root()


def test_every_created_directory_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable: list[Path] = []
    monkeypatch.setattr(uploader.disk.chunk_files, "fsync_directory", durable.append)
    files = ChunkFiles(tmp_path / "volume" / "chunks")
    files.create_root()
    assert sorted(durable) == [tmp_path, tmp_path / "volume"]
    assert list((tmp_path / "volume" / "chunks").iterdir()) == []
    files.create_root()
    assert len(durable) == 2


def test_unwritable_disk_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_uploader(tmp_path / "chunks") as server:

        def read_only(*_: Any, **__: Any) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(ChunkFiles, "check_writable", read_only)
        answer = httpx.get(f"{server.base_url}/ready", trust_env=False)
        assert answer.status_code == 503
        assert answer.json()["disk"] == {"ok": False, "why": "TEMP_DIR: Read-only file system"}


def test_stopped_uploader_releases_its_leases_immediately(tmp_path: Path) -> None:
    temp_dir = tmp_path / "chunks"

    def leases() -> list[str]:
        with closing(sqlite3.connect(temp_dir / "manifest.sqlite3")) as connection:
            return sorted(name for (name,) in connection.execute("SELECT name FROM leases"))

    with running_uploader(temp_dir, replica_name="replica-0"):
        working = ["clean/replica-0", "reconcile/replica-0"]
        wait_until(lambda: leases() == working, what="it works", deadline_s=60, poll_s=0.05)
    assert leases() == []
