"""``POST /upload/csv`` over HTTP: accepted uploads, and refused ones, which leave no files."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from contracts.names import BYTES_PER_MB
from csvpipe.commands.serve import HTTP_PROTOCOL
from tests.support.uploader.ingest import form
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.disk.staging_directory import StagingDirectory

LONE_SURROGATE = b"\x00\xd8"
ROWS = b"id,name\n" + b"".join(b"%d,name of %d\n" % (row, row) for row in range(1, 1001))


@pytest.fixture(scope="module", params=[HTTP_PROTOCOL, "httptools"], ids=["direct", "by ASGI"])
def uploader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    directory = tmp_path_factory.mktemp("chunks")
    with running_uploader(directory, http=request.param, max_file_size_mb=100, max_chunks=50) as server:
        yield server


@pytest.fixture
def untouched(uploader: RunningUploader) -> Iterator[None]:
    """Check that the test leaves no file and no message."""
    files, messages = uploader.files(), len(uploader.publisher.messages)
    yield
    wait_until(lambda: uploader.files() == files, what="nothing remains", deadline_s=20, poll_s=0.02)
    assert len(uploader.publisher.messages) == messages


def utf16(text: str) -> bytes:
    """Return ``text`` in little-endian UTF-16 with a byte order mark."""
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le")


def post(uploader: RunningUploader, source: bytes = ROWS, **given: Any) -> httpx.Response:
    request: dict[str, Any] = {"files": {"file": ("source.csv", source)}, "data": {"dataset_name": "people"}, **given}
    return httpx.post(f"{uploader.base_url}/upload/csv", timeout=60, **request)


def post_body(uploader: RunningUploader, body: bytes | Iterator[bytes], **given: Any) -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=b", **given.pop("headers", {})}
    return httpx.post(f"{uploader.base_url}/upload/csv", content=body, headers=headers, timeout=60, **given)


def chunks_of(uploader: RunningUploader, upload_id: str) -> list[bytes]:
    base = f"{uploader.base_url}/chunks/{upload_id}"
    total = len(httpx.get(f"{uploader.base_url}/uploads/{upload_id}/manifest").json()["chunks"])
    return [httpx.get(f"{base}/{number}/download").content for number in range(1, total + 1)]


@pytest.mark.parametrize(("chunk_type", "chunk_size", "total"), [("size", 1, 1), ("rows", 300, 4), ("count", 3, 3)])
def test_downloaded_chunks_equal_the_source(
    uploader: RunningUploader, chunk_type: str, chunk_size: int, total: int
) -> None:
    answer = post(uploader, data={"dataset_name": "people", "chunk_type": chunk_type, "chunk_size": chunk_size})
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert accepted["total_chunks"] == total
    assert accepted["row_count"] == 1000
    assert accepted["size_bytes"] == len(ROWS)
    assert accepted["sha256"] == hashlib.sha256(ROWS).hexdigest()
    assert accepted["headers"] == ["id", "name"]
    files = chunks_of(uploader, accepted["upload_id"])
    header = b"id,name\n"
    assert all(file.startswith(header) for file in files)
    assert header + b"".join(file.removeprefix(header) for file in files) == ROWS
    assert answer.headers["location"] == accepted["tracking_url"]


def test_fields_after_the_file_and_fields_in_the_query_give_the_same_chunks(uploader: RunningUploader) -> None:
    fields = {"dataset_name": "people", "chunk_type": "rows", "chunk_size": "300"}
    behind = form([("file", ROWS), *((name, value.encode()) for name, value in fields.items())], boundary="b")
    answers = [
        post_body(uploader, behind),
        post(uploader, data={}, params=fields),
        post(uploader, data=fields),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    contents = [chunks_of(uploader, answer.json()["upload_id"]) for answer in answers]
    assert contents[0] == contents[1] == contents[2]


def test_body_without_content_length_is_accepted(uploader: RunningUploader) -> None:
    body = form([("dataset_name", b"people"), ("file", ROWS)], boundary="b")
    pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
    answer = post_body(uploader, pieces)
    assert answer.status_code == 202, answer.text
    assert answer.json()["sha256"] == hashlib.sha256(ROWS).hexdigest()


def test_utf16_is_stored_as_utf8_and_recorded(uploader: RunningUploader) -> None:
    source = "näme,x\nä,1\n".encode("utf-16")
    answer = post(uploader, source)
    assert answer.status_code == 202, answer.text
    manifest = httpx.get(f"{uploader.base_url}/uploads/{answer.json()['upload_id']}/manifest").json()
    assert manifest["transcoded_from"] == "utf-16-le"
    assert manifest["source_sha256"] == hashlib.sha256(source).hexdigest()
    assert chunks_of(uploader, answer.json()["upload_id"]) == ["näme,x\nä,1\n".encode()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_compressed_file_is_unpacked_and_recorded(uploader: RunningUploader, encoding: str) -> None:
    content = ROWS.decode().encode(encoding)
    source = gzip.compress(content)
    answer = post(uploader, source)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert (accepted["compression"], accepted["size_bytes"]) == ("gzip", len(source))
    assert accepted["sha256"] == hashlib.sha256(source).hexdigest()
    status = httpx.get(accepted["tracking_url"]).json()
    assert status["compression"] == "gzip"
    manifest = httpx.get(f"{uploader.base_url}/uploads/{accepted['upload_id']}/manifest").json()
    assert (manifest["compression"], manifest["source_sha256"]) == ("gzip", accepted["sha256"])
    assert manifest["content_sha256"] == hashlib.sha256(ROWS).hexdigest()
    assert b"".join(chunks_of(uploader, accepted["upload_id"])) == ROWS


def test_deviations_that_lenient_accepts_are_in_response_status_and_manifest(uploader: RunningUploader) -> None:
    source = b"a,b\n1,2,,\n3,4\n\n\n"
    deviations = {"surplus_empty_cells": 1, "blank_last_lines": 2}
    answer = post(uploader, source, params={"strict": "lenient"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted_deviations"] == deviations
    address = f"{uploader.base_url}/uploads/{answer.json()['upload_id']}"
    for document in ("status", "manifest"):
        assert httpx.get(f"{address}/{document}").json()["accepted_deviations"] == deviations
    assert post(uploader, ROWS).json()["accepted_deviations"] is None


def test_all_faults_of_a_file_are_in_the_response(uploader: RunningUploader) -> None:
    problem = post(uploader, b"a,b\n1,2\n3\n4,\0\n").json()
    assert [(fault["reason"], fault["row"], fault["byte"]) for fault in problem["faults"]] == [
        ("ragged_row", 2, 8),
        ("nul_byte", 3, 12),
    ]
    assert problem["fault_counts"] == {"ragged_row": 1, "nul_byte": 1}
    assert problem["scanned_bytes"] == 14


def test_concurrent_uploads_do_not_mix(uploader: RunningUploader) -> None:
    header = b"id,name\n"
    sources = [header + b"".join(b"%d,%d\n" % (number, row) for row in range(50_000)) for number in range(5)]
    with ThreadPoolExecutor(max_workers=5) as pool:
        answers = list(
            pool.map(
                lambda source: post(uploader, source, params={"chunk_type": "rows", "chunk_size": "20000"}), sources
            )
        )
    for source, answer in zip(sources, answers, strict=True):
        files = chunks_of(uploader, answer.json()["upload_id"])
        assert header + b"".join(file.removeprefix(header) for file in files) == source


Refusal = tuple[int, str, dict[str, Any], dict[str, Any]]
REFUSED: dict[str, Refusal] = {
    "dataset_name missing": (422, "invalid_field", {"data": {}}, {"field": "dataset_name"}),
    "dataset_name with a slash": (
        422,
        "invalid_dataset_name",
        {"data": {"dataset_name": "a/b"}},
        {"field": "dataset_name"},
    ),
    "file missing": (
        422,
        "invalid_field",
        {"files": {"dataset_name": (None, "x"), "strict": (None, "true")}, "data": None},
        {"field": "file"},
    ),
    "file under another name": (422, "invalid_field", {"files": {"upload": ("a.csv", ROWS)}}, {"field": "upload"}),
    "unknown field": (422, "invalid_field", {"params": {"chunksize": "3"}}, {"field": "chunksize"}),
    "chunk_type wrong": (422, "invalid_field", {"params": {"chunk_type": "lines"}}, {"field": "chunk_type"}),
    "chunk_size 0": (422, "invalid_field", {"params": {"chunk_size": "0"}}, {"field": "chunk_size"}),
    "chunk_size no number": (422, "invalid_field", {"params": {"chunk_size": "1e3"}}, {"field": "chunk_size"}),
    "count above MAX_CHUNKS": (
        422,
        "invalid_field",
        {"params": {"chunk_type": "count", "chunk_size": "51"}},
        {"field": "chunk_size"},
    ),
    "encoding unknown": (422, "invalid_field", {"params": {"encoding": "klingon"}}, {"field": "encoding"}),
    "encoding no ASCII superset": (422, "invalid_field", {"params": {"encoding": "cp037"}}, {"field": "encoding"}),
    "strict neither true nor false": (422, "invalid_field", {"params": {"strict": "maybe"}}, {"field": "strict"}),
    "delimiter of two bytes": (422, "invalid_field", {"params": {"delimiter": "::"}}, {"field": "delimiter"}),
    "field given twice, differently": (
        422,
        "invalid_field",
        {"params": {"dataset_name": "others"}},
        {"field": "dataset_name"},
    ),
    "too many chunks": (
        422,
        "too_many_chunks",
        {"params": {"chunk_type": "rows", "chunk_size": "10"}},
        {"field": "chunk_size", "max_chunks": 50},
    ),
    "no multipart": (
        415,
        "unsupported_media_type",
        {"body": ROWS, "headers": {"content-type": "text/csv"}},
        {},
    ),
    "form in gzip": (415, "unsupported_media_type", {"headers": {"content-encoding": "gzip"}}, {}),
    "truncated gzip": (
        400,
        "invalid_compression",
        {"source": gzip.compress(ROWS)[:-1]},
        {"reason": "truncated", "compression": "gzip", "byte": len(gzip.compress(ROWS)) - 1},
    ),
    "multipart without its end": (
        400,
        "malformed_multipart",
        {"body": form([("dataset_name", b"people"), ("file", ROWS)], boundary="b")[:-7]},
        {},
    ),
    "empty file": (400, "invalid_csv", {"source": b""}, {"reason": "empty_file", "row": 0}),
    "ragged row": (
        400,
        "invalid_csv",
        {"source": b"a,b\n1,2\n3\n"},
        {"reason": "ragged_row", "row": 2, "byte": 8, "expected": "2 fields", "found": "1 field"},
    ),
    "quote never closed": (
        400,
        "invalid_csv",
        {"source": b'a,b\n1,2\n3,"4\n'},
        {"reason": "unterminated_quote", "row": 2, "byte": 10},
    ),
    "NUL byte": (400, "invalid_csv", {"source": b"a,b\n1,\0\n"}, {"reason": "nul_byte", "row": 1, "byte": 6}),
    "not the declared encoding": (
        400,
        "invalid_csv",
        {"source": b"a,b\n1,\xff\n", "params": {"encoding": "utf-8"}},
        {"reason": "invalid_encoding", "row": 1, "byte": 6},
    ),
    "UTF-16 with half a pair": (
        400,
        "invalid_csv",
        {"source": utf16("a,b\n1,2\n3,4\n5,") + LONE_SURROGATE + "\n6,7\n".encode("utf-16-le")},
        {"reason": "invalid_encoding", "row": 3, "byte": 30},
    ),
    "UTF-16 with half a pair in the header": (
        400,
        "invalid_csv",
        {"source": utf16("a,") + LONE_SURROGATE + "\n1,2\n".encode("utf-16-le")},
        {"reason": "invalid_encoding", "row": 0, "byte": 6},
    ),
    "UTF-16 that ends within a character": (
        400,
        "invalid_csv",
        {"source": utf16("a,b\n1,2\n3,") + b"4"},
        {"reason": "invalid_encoding", "row": 2, "byte": 22},
    ),
    "UTF-16 with a ragged row before half a pair": (
        400,
        "invalid_csv",
        {"source": utf16("a,b\n1,2\n3\n4,") + LONE_SURROGATE + "\n".encode("utf-16-le")},
        {"reason": "ragged_row", "row": 2, "byte": 8},
    ),
    "UTF-16 with nothing behind the mark": (
        400,
        "invalid_csv",
        {"source": codecs.BOM_UTF16_LE},
        {"reason": "empty_file", "row": 0, "byte": 0},
    ),
    "UTF-16, big-endian, with nothing behind the mark": (
        400,
        "invalid_csv",
        {"source": codecs.BOM_UTF16_BE},
        {"reason": "empty_file", "row": 0, "byte": 0},
    ),
    "UTF-16 where Latin-1 is declared": (
        400,
        "invalid_csv",
        {"source": utf16("a,b\n1,2\n"), "params": {"encoding": "latin-1"}},
        {
            "reason": "invalid_encoding",
            "row": 0,
            "byte": 0,
            "expected": "text in iso8859-1",
            "found": "the byte order mark of utf-16-le",
        },
    ),
    "UTF-16 of the other byte order than declared": (
        400,
        "invalid_csv",
        {"source": utf16("a,b\n1,2\n"), "params": {"encoding": "utf-16-be"}},
        {"reason": "invalid_encoding", "row": 0, "byte": 0, "found": "the byte order mark of utf-16-le"},
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("case", REFUSED)
def test_refused_upload_gives_the_reason_and_leaves_no_files(uploader: RunningUploader, case: str) -> None:
    status, code, request, members = REFUSED[case]
    answer = post_body(uploader, **request) if "body" in request else post(uploader, **request)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert {name: problem.get(name) for name in members} == members


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("chunks", [{"chunk_type": "rows"}, {"chunk_type": "count", "chunk_size": "2"}])
@pytest.mark.parametrize("case", [case for case in REFUSED if REFUSED[case][1] == "invalid_csv"])
def test_both_chunkers_report_the_same_violation(uploader: RunningUploader, case: str, chunks: dict[str, str]) -> None:
    _, _, request, members = REFUSED[case]
    fields = [(name, value.encode()) for name, value in chunks.items()]
    for parts in (
        [("file", request["source"]), ("dataset_name", b"d"), *fields],
        [("dataset_name", b"d"), *fields, ("file", request["source"])],
    ):
        answer = post_body(uploader, form(parts, boundary="b"), params=request.get("params", {}))
        assert answer.status_code == 400, answer.text
        assert {name: answer.json().get(name) for name in members} == members


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf16_may_be_declared(uploader: RunningUploader, encoding: str) -> None:
    answer = post(uploader, utf16("ä,b\n1,2\n"), params={"encoding": encoding})
    assert answer.status_code == 202, answer.text


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_violation_after_many_chunks_leaves_no_files(uploader: RunningUploader, order: str) -> None:
    content = b"a,b\n" + b"1,2\n" * 1_000_000 + b"3\n"
    parts = [("dataset_name", b"d"), ("chunk_size", b"1"), ("file", content)]
    body = form(reversed(parts) if order == "file first" else parts, boundary="b")
    answer = post_body(uploader, body)
    assert answer.status_code == 400
    assert (answer.json()["row"], answer.json()["byte"]) == (1_000_001, 4_000_004)


@pytest.mark.usefixtures("untouched")
def test_too_large_by_content_length_is_refused_before_the_body_is_sent(uploader: RunningUploader) -> None:
    head = head_of("dataset_name=d", content_length=101 * BYTES_PER_MB)
    with socket.create_connection(("127.0.0.1", uploader.port), timeout=20) as connection:
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
    with socket.create_connection(("127.0.0.1", uploader.port), timeout=20) as connection:
        connection.sendall(head_of(query, content_length=2 * len(start)) + start)
        receiving(uploader)
    # The fixture waits until it is gone.


@pytest.mark.usefixtures("untouched")
def test_upload_above_the_limit_gets_retry_after(tmp_path: Path) -> None:
    with running_uploader(tmp_path, max_concurrent_uploads=1) as uploader:
        with socket.create_connection(("127.0.0.1", uploader.port), timeout=20) as connection:
            connection.sendall(head_of("dataset_name=d", content_length=1000))
            receiving(uploader)
            answer = post(uploader)
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_uploads")
        assert int(answer.headers["retry-after"]) > 0
        wait_until(lambda: not uploader.files(), what="the first one is gone", deadline_s=20, poll_s=0.02)
        assert post(uploader).status_code == 202


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


def head_of(query: str, *, content_length: int) -> bytes:
    return (
        f"POST /upload/csv?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {content_length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    ).encode()


def receiving(uploader: RunningUploader) -> None:
    """Wait until something has come in."""
    condition: Callable[[], bool] = lambda: any(".receiving/" in path for path in uploader.files())  # noqa: E731  typed
    wait_until(condition, what="an upload comes in", deadline_s=20, poll_s=0.02)
