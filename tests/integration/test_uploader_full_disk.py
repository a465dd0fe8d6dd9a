"""A real disk without a byte left, or one that takes no more writes: what the uploader still does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import httpx
import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.small_disk import fill_disk, remount_read_only, remount_writable, small_disk
from tests.support.waiting import wait_until
from uploader.assembly import Intervals
from uploader.uploads.cleaner import Cleaner

CSV = b"id,name\n" + b"1,someone\n" * 20_000
FAST = Intervals(clean_s=0.2, reconcile_s=0.2, check_in_s=0.2)
NEVER = Intervals(clean_s=3600, reconcile_s=3600, check_in_s=3600, longest_s=3600)


def send(server: RunningUploader, content: bytes = CSV) -> httpx.Response:
    return httpx.post(
        f"{server.base_url}/upload/csv?dataset_name=people",
        files={"file": ("people.csv", content)},
        timeout=60,
        trust_env=False,
    )


def status(server: RunningUploader, upload_id: str) -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{server.base_url}/uploads/{upload_id}/status", trust_env=False).json()
    return found


def land(server: RunningUploader, upload_id: str) -> httpx.Response:
    chunks = httpx.get(f"{server.base_url}/uploads/{upload_id}/status", trust_env=False).json()["chunks"]
    [chunk] = chunks
    return httpx.put(
        f"{server.base_url}/chunks/{upload_id}/1/state",
        content=json.dumps(
            {"state": "landed", "evidence": {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}}
        ),
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", size_mb=12) as mounted:
        yield mounted


@pytest.fixture
def cleaner_gate(monkeypatch: pytest.MonkeyPatch) -> Lock:
    """Give a lock: while it is held, the cleaner waits before its next pass."""
    gate, run_pass = Lock(), Cleaner.run_pass

    def run_pass_later(cleaner: Cleaner) -> bool:
        with gate:
            return run_pass(cleaner)

    monkeypatch.setattr(Cleaner, "run_pass", run_pass_later)
    return gate


@pytest.mark.parametrize("ballast_mb", [2, 0])
def test_full_disk_is_cleaned_and_accepts_uploads_again(disk: Path, cleaner_gate: Lock, ballast_mb: int) -> None:
    with running_uploader(disk / "chunks", intervals=FAST, ballast_mb=ballast_mb, low_disk_mb=4) as server:
        landed = send(server).json()["upload_id"]
        waiting = send(server).json()["upload_id"]
        assert land(server, landed).status_code == 200
        ballast = disk / "chunks" / "manifest.sqlite3.ballast"
        assert ballast.exists() == bool(ballast_mb)
        with cleaner_gate:  # or it gives room that the neighbour takes before the database can have it
            neighbour = fill_disk(disk)
        refused = send(server, b"id,name\n" + b"2,other\n" * 400_000)
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        wait_until(
            lambda: status(server, landed)["chunk_counts"] == {"cleaned": 1}, what="it is cleaned", deadline_s=120
        )
        assert not (disk / "chunks" / landed).exists()
        assert status(server, waiting)["status"] == "announced"
        assert list((disk / "chunks" / waiting).glob("*.csv"))
        neighbour.unlink()
        assert send(server).status_code == 202
        wait_until(lambda: ballast.exists() == bool(ballast_mb), what="the ballast is back", deadline_s=120)


@pytest.mark.parametrize("ballast_mb", [2, 0])
def test_upload_can_be_deleted_on_a_full_disk(disk: Path, ballast_mb: int) -> None:
    with running_uploader(disk / "chunks", intervals=NEVER, ballast_mb=ballast_mb) as server:
        upload_id = send(server).json()["upload_id"]
        fill_disk(disk)
        answer = httpx.delete(f"{server.base_url}/uploads/{upload_id}?force=true", trust_env=False)
        assert (answer.status_code, answer.json()["status"]) == (200, "aborted")
        assert not (disk / "chunks" / upload_id).exists()


def test_landing_is_recorded_on_a_full_disk(disk: Path) -> None:
    with running_uploader(disk / "chunks", intervals=NEVER, ballast_mb=2) as server:
        upload_id = send(server).json()["upload_id"]
        fill_disk(disk)
        assert land(server, upload_id).status_code == 200
        assert status(server, upload_id)["status"] == "landed"


@pytest.mark.parametrize("ballast_mb", [2, 0])
def test_uploader_starts_on_a_full_disk_and_cleans_it(disk: Path, ballast_mb: int) -> None:
    with running_uploader(disk / "chunks", intervals=NEVER, ballast_mb=ballast_mb) as server:
        upload_id = send(server).json()["upload_id"]
        assert land(server, upload_id).status_code == 200
    if not ballast_mb:  # a receiver that was killed is what fills a disk: its files go before the database is opened
        dead = disk / "chunks" / ".receiving" / ("b" * 32)
        dead.mkdir()
        (dead / ".lock").touch()
        (dead / "x.csv").write_bytes(b"x" * BYTES_PER_MB)
    fill_disk(disk)
    with running_uploader(disk / "chunks", intervals=FAST, ballast_mb=ballast_mb, low_disk_mb=4) as server:
        wait_until(
            lambda: status(server, upload_id)["chunk_counts"] == {"cleaned": 1}, what="it is cleaned", deadline_s=120
        )


def test_read_only_disk_refuses_uploads_until_it_is_writable(disk: Path, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'database' / 'manifest.sqlite3'}"  # a disk with open files stays writable
    with running_uploader(disk / "chunks", intervals=NEVER, database_url=database) as server:
        first = send(server).json()["upload_id"]
        remount_read_only(disk)
        answer = send(server)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_failed")
        assert "Read-only file system" in answer.json()["detail"]
        assert httpx.get(f"{server.base_url}/ready", trust_env=False).status_code == 503
        assert httpx.get(f"{server.base_url}/chunks/{first}/1/download", trust_env=False).content == CSV
        remount_writable(disk)
        assert send(server).status_code == 202
