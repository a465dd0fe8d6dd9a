"""Full disks and exhausted file handles: responses say what to do, and no files are left."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.disk.directories import STAGING
from uploader.disk.staging_directory import StagingDirectory
from uploader.http.http_limits import HttpLimits
from uploader.settings import Settings


@contextmanager
def every_handle_taken() -> Iterator[None]:
    """Lower the limit of open files, and open files until it is reached."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        try:
            while True:
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE  # noqa: PT017  the loop runs until then
        yield


KNOWN = pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "disk_full"),
        (errno.EDQUOT, 507, "disk_full"),
        (errno.EIO, 507, "disk_failed"),
        (errno.EROFS, 507, "disk_failed"),
        (errno.EMFILE, 503, "too_many_open_files"),
        (errno.ENFILE, 503, "too_many_open_files"),
    ],
)


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks")) as server:
        yield server


def post(uploader: RunningUploader) -> httpx.Response:
    files = {"file": ("a.csv", b"a\n1\n")}
    return httpx.post(f"{uploader.base_url}/upload/csv", files=files, data={"dataset_name": "d"}, timeout=60)


def check(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert "retry-after" in answer.headers if status == 503 else True


@KNOWN
@pytest.mark.parametrize("place", ["mkdir", "rename", "fsync"])
def test_disk_errors_have_their_status_and_code(
    uploader: RunningUploader, place: str, number: int, status: int, code: str
) -> None:
    before = uploader.files()

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    target = {"mkdir": "pathlib.Path.mkdir", "rename": "uploader.disk.staging_directory.StagingDirectory._commit"}
    with patch(target.get(place, "os.fsync"), fail):
        answer = post(uploader)
    check(answer, status, code)
    assert uploader.files() == before
    assert post(uploader).status_code == 202


@KNOWN
def test_download_without_file_handles_is_refused_before_it_starts(
    uploader: RunningUploader, number: int, status: int, code: str
) -> None:
    url = f"{uploader.base_url}/chunks/{post(uploader).json()['upload_id']}/1/download"

    async def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with patch("aiofiles.open", fail):
        check(httpx.get(url), status, code)
    assert httpx.get(url).content == b"a\n1\n"


def test_directory_is_removed_without_file_handles(tmp_path: Path) -> None:
    directory = StagingDirectory(temp_dir=tmp_path, upload_id="a" * 32)
    directory.create()
    for number in range(50):
        (directory.path / f"chunk_{number:03}.csv").write_bytes(b"a\n1\n")

    with every_handle_taken():
        directory._discard()
    assert list((tmp_path / STAGING).iterdir()) == []


def test_directory_that_cannot_be_locked_is_removed(tmp_path: Path) -> None:
    directory = StagingDirectory(temp_dir=tmp_path, upload_id="a" * 32)
    with every_handle_taken():
        with pytest.raises(OSError, match="Too many open files"):
            directory.create()
        directory._discard()
    assert list((tmp_path / STAGING).iterdir()) == []


def test_serve_raises_the_open_file_limit() -> None:
    code = (
        "import resource; from uploader.runtime.open_file_limit import raise_open_file_limit as r;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]));"
        "print(r(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    raised, soft, hard = map(int, done.stdout.split())
    assert raised == soft == hard


def test_connections_are_limited_by_the_open_file_limit(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = Settings(temp_dir=tmp_path, max_connections=100_000)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert HttpLimits.from_settings(settings).max_connections == (256 - 64 - 6 * 8) // 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
