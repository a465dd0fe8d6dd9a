"""TEMP_DIR at a start, and the work of a stopping uploader."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import uploader.files
from tests.support.uploader_server import running_uploader
from tests.support.waiting import wait_until
from uploader.files import ChunkFiles
from uploader.settings import SettingsError


@pytest.mark.parametrize("kind", ["a file", "below a file", "not to be written to"])
def test_temp_dir_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.touch()
    # Root may write everywhere but where the kernel itself refuses.
    path = {"a file": file, "below a file": file / "chunks", "not to be written to": Path("/proc/self")}[kind]
    with pytest.raises(SettingsError) as caught:
        ChunkFiles(path).make_root()
    assert f"TEMP_DIR: {path} cannot be used: " in caught.value.detail


def test_full_disk_stops_no_start_as_it_is_cleaned_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ChunkFiles(tmp_path / "chunks")

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "probe", full)
    files.make_root()


def test_every_directory_that_is_made_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable: list[Path] = []
    monkeypatch.setattr(uploader.files, "fsync_directory", durable.append)
    files = ChunkFiles(tmp_path / "volume" / "chunks")
    files.make_root()
    assert sorted(durable) == [tmp_path, tmp_path / "volume"]
    assert list((tmp_path / "volume" / "chunks").iterdir()) == []
    files.make_root()
    assert len(durable) == 2


def test_disk_that_takes_no_writes_any_more_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_uploader(tmp_path / "chunks") as server:

        def read_only(*_: Any, **__: Any) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(ChunkFiles, "probe", read_only)
        answer = httpx.get(f"{server.base_url}/ready", trust_env=False)
        assert answer.status_code == 503
        assert answer.json()["disk"] == {"ok": False, "why": "TEMP_DIR: Read-only file system"}


def test_stopping_uploader_leaves_its_work_to_the_next_at_once(tmp_path: Path) -> None:
    temp_dir = tmp_path / "chunks"

    def leases() -> list[str]:
        with closing(sqlite3.connect(temp_dir / "manifest.sqlite3")) as connection:
            return sorted(name for (name,) in connection.execute("SELECT name FROM leases"))

    with running_uploader(temp_dir, replica_name="replica-0"):
        working = ["clean/replica-0", "reconcile/replica-0"]
        wait_until(lambda: leases() == working, what="it works", deadline_s=10, poll_s=0.05)
    assert leases() == []
