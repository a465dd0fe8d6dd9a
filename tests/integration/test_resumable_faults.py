"""Resumable uploads when the disk is full or read-only, the database away, or the connection dead."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from contracts.names import BYTES_PER_MB
from tests.support.network.line import Cut, Line, network_line
from tests.support.uploader import tus
from tests.support.uploader.comparison import description_of
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.killed_uploader import KilledUploader, killed_uploader
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.small_disk import fill_disk, remount_read_only, remount_writable, small_disk
from tests.support.waiting import wait_until
from uploader.assembly import Intervals
from uploader.disk.part_file import part_directory

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 300_000))
NEVER = Intervals(clean_s=3600, reconcile_s=3600, check_in_s=3600, longest_s=3600)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", size_mb=48) as mounted:
        yield mounted


@pytest.fixture
def server(disk: Path, tmp_path: Path) -> Iterator[RunningUploader]:
    """Give an uploader whose database is on another disk."""
    database = f"sqlite:///{tmp_path / 'manifest.sqlite3'}"
    with running_uploader(disk, database_url=database, ballast_mb=0, intervals=NEVER) as running:
        yield running


@pytest.fixture
def client(server: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=60, trust_env=False) as opened:
        yield opened


def test_full_disk_keeps_what_fits_and_goes_on_when_there_is_room(
    server: RunningUploader, client: httpx.Client, disk: Path
) -> None:
    path = tus.create(client, len(ROWS))
    assert tus.patch(client, path, ROWS[:BYTES_PER_MB], offset=0).status_code == 204
    filler = fill_disk(disk)
    assert_problem(tus.patch(client, path, ROWS[BYTES_PER_MB:], offset=BYTES_PER_MB), 507, "disk_full")
    offset = tus.offset_of(client, path)
    assert offset >= BYTES_PER_MB
    filler.unlink()
    answer = tus.patch(client, path, ROWS[offset:], offset=offset)
    assert answer.status_code == 204, answer.text
    assert description_of(server.base_url, answer.headers["CSVPipe-Upload"])["source_bytes"] == len(ROWS)


def test_disk_without_room_for_the_chunks_keeps_the_file(
    server: RunningUploader, client: httpx.Client, disk: Path
) -> None:
    path = tus.create(client, len(ROWS))
    tus.patch(client, path, ROWS[:-1], offset=0)
    filler = fill_disk(disk)
    assert tus.patch(client, path, ROWS[-1:], offset=len(ROWS) - 1).status_code == 507
    assert tus.head(client, path).status_code in {200, 507}
    filler.unlink()
    offset = tus.offset_of(client, path)
    answer = tus.patch(client, path, ROWS[offset:], offset=offset)
    assert answer.status_code == 204, answer.text
    assert description_of(server.base_url, answer.headers["CSVPipe-Upload"])["source_bytes"] == len(ROWS)


def test_read_only_disk_is_reported_and_loses_nothing(client: httpx.Client, disk: Path) -> None:
    path = tus.create(client, len(ROWS))
    assert tus.patch(client, path, ROWS[:BYTES_PER_MB], offset=0).status_code == 204
    remount_read_only(disk)
    try:
        assert_problem(tus.patch(client, path, ROWS[BYTES_PER_MB:], offset=BYTES_PER_MB), 507, "disk_failed")
        assert_problem(tus.try_create(client, 10), 507, "disk_failed")
    finally:
        remount_writable(disk)
    assert tus.offset_of(client, path) == BYTES_PER_MB
    assert tus.patch(client, path, ROWS[BYTES_PER_MB:], offset=BYTES_PER_MB).status_code == 204


@pytest.fixture
def line(postgres: PostgresServer) -> Iterator[Line]:
    """Give the line to the database."""
    with network_line("127.0.0.1", make_url(postgres.url("postgres")).port or 0) as running:
        yield running


@pytest.fixture
def workers(tmp_path: Path, postgres: PostgresServer, line: Line) -> Iterator[KilledUploader]:
    url = make_url(postgres.new_database()).set(port=line.port).render_as_string(hide_password=False)
    with killed_uploader(tmp_path / "workers", DATABASE_URL=url) as running:
        yield running


def test_database_that_goes_away_while_bytes_arrive_loses_nothing(workers: KilledUploader, line: Line) -> None:
    def pieces() -> Iterator[bytes]:
        yield ROWS[1000 : 3 * BYTES_PER_MB]
        data = part_directory(workers.temp_dir, path.rsplit("/", 1)[1]) / "data"
        wait_until(lambda: data.stat().st_size > BYTES_PER_MB, what="bytes are written", deadline_s=60)
        line.cut(Cut.RESET)
        yield ROWS[3 * BYTES_PER_MB :]

    with httpx.Client(base_url=workers.url, timeout=60, trust_env=False) as client:
        path = tus.create(client, len(ROWS))
        assert tus.patch(client, path, ROWS[:1000], offset=0).status_code == 204
        assert_problem(tus.patch(client, path, pieces(), offset=1000), 503, "manifest_unavailable")
        assert_problem(tus.patch(client, path, ROWS[1000:], offset=1000), 503, "manifest_unavailable")
        assert_problem(tus.try_create(client, 10), 503, "manifest_unavailable")
        line.mend()
        answer = wait_until(
            lambda: found if (found := tus.head(client, path)).status_code == 200 else None,
            what="the database answers",
            deadline_s=60,
        )
        assert answer.headers["Upload-Offset"] == str(len(ROWS))  # all of it was there, so it is finished now
    assert description_of(workers.url, answer.headers["CSVPipe-Upload"])["source_bytes"] == len(ROWS)


def test_dead_connection_does_not_lock_its_upload(workers: KilledUploader) -> None:
    """The client of an open request is gone without a word; the next request gets its bytes, at whatever worker."""
    with httpx.Client(base_url=workers.url, timeout=60, trust_env=False) as client:
        path = tus.create(client, len(ROWS))
        address = ("127.0.0.1", httpx.URL(workers.url).port or 0)
        with socket.create_connection(address) as dead:
            head = [
                f"PATCH {path} HTTP/1.1",
                "Host: uploader",
                "Tus-Resumable: 1.0.0",
                "Content-Type: application/offset+octet-stream",
                "Upload-Offset: 0",
                f"Content-Length: {len(ROWS)}",
            ]
            dead.sendall("\r\n".join([*head, "", ""]).encode() + ROWS[: 3 * BYTES_PER_MB])
            data = part_directory(workers.temp_dir, path.rsplit("/", 1)[1]) / "data"
            # A look at the offset ends the open request, which may not have begun to read.
            wait_until(lambda: data.stat().st_size > 0, what="bytes have arrived", deadline_s=60)
            offset = _offset(workers.url, path)
            answer = tus.patch(client, path, ROWS[offset:], offset=offset)
            assert answer.status_code == 204, answer.text
            assert b" 423 " in dead.recv(100)
    assert description_of(workers.url, answer.headers["CSVPipe-Upload"])["source_bytes"] == len(ROWS)


def _offset(url: str, path: str) -> int:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:  # a connection each: at any worker
        return tus.offset_of(client, path)
