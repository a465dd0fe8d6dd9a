"""Uploads over HTTP that end before their last byte is received or stored, and leave no files."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.form_uploads import head_of, post, post_body, receiving
from tests.support.uploader.ingest import form
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.disk.staging_directory import StagingDirectory


@pytest.mark.usefixtures("untouched")
def test_too_large_by_content_length_is_refused_before_the_body_is_sent(uploader: RunningUploader) -> None:
    head = head_of("dataset_name=d", content_length=101 * BYTES_PER_MB)
    with socket.create_connection(("127.0.0.1", uploader.port), timeout=60) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("untouched")
def test_too_large_without_content_length_is_refused_while_it_streams(uploader: RunningUploader) -> None:
    block = b"1,2\n" * (BYTES_PER_MB // 4)

    def pieces() -> Iterator[bytes]:
        yield form([("dataset_name", b"d"), ("file", b"a,b\n")], boundary="b").removesuffix(b"\r\n--b--\r\n")
        for _ in range(101):
            yield block

    answer = post_body(uploader, pieces())
    assert answer.status_code == 413
    assert answer.json()["code"] == "file_too_large"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("query", ["dataset_name=d", "dataset_name=d&chunk_type=count&chunk_size=3", "strict=true"])
def test_disconnected_client_leaves_no_files(uploader: RunningUploader, query: str) -> None:
    start = form([("file", b"a,b\n" + b"1,2\n" * 2_000_000)], boundary="b").removesuffix(b"\r\n--b--\r\n")
    with socket.create_connection(("127.0.0.1", uploader.port), timeout=60) as connection:
        connection.sendall(head_of(query, content_length=2 * len(start)) + start)
        receiving(uploader)


@pytest.mark.usefixtures("untouched")
def test_upload_above_the_limit_gets_retry_after(tmp_path: Path) -> None:
    with running_uploader(tmp_path, max_concurrent_uploads=1) as uploader:
        with socket.create_connection(("127.0.0.1", uploader.port), timeout=60) as connection:
            connection.sendall(head_of("dataset_name=d", content_length=1000))
            receiving(uploader)
            answer = post(uploader)
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_uploads")
        assert int(answer.headers["retry-after"]) > 0
        wait_until(lambda: not uploader.files(), what="the first one is gone", deadline_s=60, poll_s=0.02)
        # Its slot is free a moment after its files are gone.
        wait_until(lambda: post(uploader).status_code == 202, what="the next one is accepted", deadline_s=60)


def test_upload_without_disk_space_is_refused_before_the_body(tmp_path: Path) -> None:
    with running_uploader(tmp_path, min_free_disk_mb=10**9, low_disk_mb=10**9) as uploader:
        answer = post(uploader)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert uploader.files() == set()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("step", ["_commit", "create"])
def test_full_disk_outside_of_the_file_is_reported(uploader: RunningUploader, step: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch.object(StagingDirectory, step, side_effect=full):
        answer = post(uploader)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
