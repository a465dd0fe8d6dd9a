"""``csvpipe upload`` at the limits of its key, against the real uploader, which refuses before it reads the body."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event

from csvpipe.client import UploaderClient
from csvpipe.errors import KeyRefusedError, SlowDownError
from tests.support.uploader.sent_files import CountingView, send_file
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.access.key_text import KeyText

ADMIN_KEY = KeyText.generate().text
UPLOADS_PER_MINUTE = 3
INTERVAL_S = 60 / UPLOADS_PER_MINUTE
CSV = b"id,name\n" + b"1,x\n" * 500_000


class StoppedTime:
    """The clock of the database, which stands still until :meth:`pass_on` is called."""

    def __init__(self) -> None:
        self._day = 2_461_000.5

    def pass_on(self, seconds: float) -> None:
        self._day += seconds / 86_400

    def put_into(self, connection: sqlite3.Connection, _: object) -> None:
        connection.create_function("julianday", 1, lambda _: self._day)


@pytest.fixture
def time() -> Iterator[StoppedTime]:
    stopped = StoppedTime()
    event.listen(Engine, "connect", stopped.put_into)
    yield stopped
    event.remove(Engine, "connect", stopped.put_into)


@pytest.fixture
def uploader(tmp_path: Path, time: StoppedTime) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path / "chunks", access="keys", admin_key=ADMIN_KEY) as server:
        yield server


@pytest.fixture
def key(uploader: RunningUploader) -> str:
    wanted = {
        "name": "nightly",
        "permissions": ["upload"],
        "datasets": ["*"],
        "uploads_per_minute": UPLOADS_PER_MINUTE,
    }
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return str(httpx.post(f"{uploader.base_url}/keys", json=wanted, headers=headers).raise_for_status().json()["key"])


def test_standard_input_is_uploaded_whole_after_the_wait(
    uploader: RunningUploader, key: str, time: StoppedTime, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n1\n")
    with UploaderClient(uploader.base_url, key=SecretStr(key), key_origin="the test") as client:
        for _ in range(UPLOADS_PER_MINUTE):
            send_file(client, tmp_path / "x.csv")
        with pytest.raises(SlowDownError) as refused:
            send_file(client, tmp_path / "x.csv")
    assert refused.value.wait_s is not None
    assert 0 < refused.value.wait_s <= INTERVAL_S
    time.pass_on(INTERVAL_S - 2)
    environment = {**os.environ, "CSVPIPE_URL": uploader.base_url, "CSVPIPE_KEY": key}
    command = [sys.executable, "-m", "csvpipe", "upload", "-", "--dataset", "people"]
    said = tmp_path / "said"
    with (
        said.open("wb") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, env=environment) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        ended = pool.submit(process.communicate, CSV, timeout=240)
        try:
            wait_until(lambda: ended.done() or "waiting" in said.read_text(), what="the command waits", deadline_s=120)
            time.pass_on(INTERVAL_S)
            ended.result()
        finally:
            process.kill()
    shown = said.read_text()
    assert process.returncode == 0, shown
    assert "waiting" in shown
    assert f"sha256 {hashlib.sha256(CSV).hexdigest()}" in shown
    assert key not in shown


def test_refused_key_is_told_apart_from_a_lost_connection_however_large_the_file_is(
    uploader: RunningUploader, tmp_path: Path
) -> None:
    view = CountingView()
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(5 * 1024**3)
    with (
        UploaderClient(uploader.base_url, key=KEY_OF_NOBODY, key_origin="the test") as client,
        pytest.raises(KeyRefusedError, match="The key comes from the test"),
    ):
        send_file(client, path, view=view)
    assert view.sent_bytes == 0
    assert uploader.files() == set()


KEY_OF_NOBODY = SecretStr(KeyText.generate().text)
