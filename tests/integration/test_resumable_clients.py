"""Resumable uploads by clients that others have written, over lines that break: tuspy and tus-js-client."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

from tests.support.network.breaking_proxy import breaking_proxy
from tests.support.uploader.comparison import description_of
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.tus import TUS

ROWS = b"id,name\r\n" + b"".join(b'%d,"name of\r\n%d"\r\n' % (row, row) for row in range(1, 200_000))
FIELDS = {"dataset_name": "people", "chunk_type": "rows", "chunk_size": "30000"}
PIECE_BYTES = 500_000
_TUS_JS = Path(__file__).parents[1] / "support" / "tus_js"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks")) as running:
        yield running


@pytest.fixture(scope="module")
def plain(server: RunningUploader) -> dict[str, Any]:
    """Give what one unbroken upload becomes."""
    answer = httpx.post(
        f"{server.base_url}/upload/csv",
        params=FIELDS,
        files={"file": ("people.csv", ROWS)},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return description_of(server.base_url, answer.json()["upload_id"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)
    return path


@pytest.fixture(scope="module")
def tus_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with tus-js-client, as its lock file says."""
    directory = tmp_path_factory.mktemp("tus_js")
    for name in ("package.json", "package-lock.json", "upload.mjs"):
        shutil.copy(_TUS_JS / name, directory)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory, check=True)
    return directory


@pytest.mark.parametrize("chunk_bytes", [700_001, 2**40], ids=["pieces", "one request"])
@pytest.mark.parametrize("with_checksum", [False, True])
def test_tuspy_sends_a_file(
    server: RunningUploader, plain: dict[str, Any], file: Path, chunk_bytes: int, with_checksum: bool
) -> None:
    with file.open("rb") as stream:  # tuspy does not close what it opens
        uploader = TusClient(f"{server.base_url}/files").uploader(
            file_stream=stream,
            chunk_size=chunk_bytes,
            metadata={**FIELDS, "filename": "people.csv"},
            upload_checksum=with_checksum,
        )
        uploader.upload()
    found = httpx.head(str(uploader.url), headers=TUS, trust_env=False)
    upload_id = found.headers["CSVPipe-Upload"]
    assert description_of(server.base_url, upload_id) == plain


def test_tuspy_resumes_on_a_line_that_breaks(
    server: RunningUploader, plain: dict[str, Any], file: Path, dice: random.Random
) -> None:
    with (
        breaking_proxy("127.0.0.1", server.port, breaks=12, most_bytes=len(ROWS) // 12, dice=dice) as proxy,
        file.open("rb") as stream,
    ):
        client = TusClient(f"{server.base_url}/files")
        created = client.uploader(file_stream=stream, metadata={**FIELDS, "filename": "people.csv"})
        path = created.create_url().removeprefix(server.base_url)
        while True:
            try:
                client.uploader(file_stream=stream, url=f"{proxy.url}{path}").upload()
            except (TusUploadFailed, TusCommunicationError, OSError):
                continue
            break
        assert proxy.broken == 12
        found = httpx.head(f"{server.base_url}{path}", headers=TUS, trust_env=False)
    assert description_of(server.base_url, found.headers["CSVPipe-Upload"]) == plain


@pytest.mark.parametrize("chunk_bytes", [str(PIECE_BYTES), "Infinity"], ids=["pieces", "one request"])
def test_tus_js_client_resumes_on_a_line_that_breaks(
    server: RunningUploader, plain: dict[str, Any], file: Path, tus_js: Path, dice: random.Random, chunk_bytes: str
) -> None:
    with breaking_proxy("127.0.0.1", server.port, breaks=12, most_bytes=PIECE_BYTES, dice=dice) as proxy:
        said = _send_by_tus_js(tus_js, proxy.url, file, chunk_bytes)
    assert said["failures"] >= 1
    assert description_of(server.base_url, said["uploadId"]) == plain


def test_tus_js_client_is_told_what_is_wrong(server: RunningUploader, tus_js: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_bytes(ROWS + b"1,2,3\r\n" + ROWS)
    said = _send_by_tus_js(tus_js, server.base_url, broken, str(PIECE_BYTES))
    problem = json.loads(said["body"])
    assert (said["status"], problem["code"], problem["row"]) == (400, "invalid_csv", 200_000)


def _send_by_tus_js(directory: Path, url: str, file: Path, chunk_bytes: str) -> dict[str, Any]:
    command = [
        "node",
        "upload.mjs",
        f"{url}/files/",
        str(file),
        chunk_bytes,
        json.dumps({**FIELDS, "filename": file.name}),
    ]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=300)
    found: dict[str, Any] = json.loads(ended.stdout or json.dumps({"error": ended.stderr}))
    assert "error" not in found, found
    return found
