"""Uploads over HTTP that are accepted: by both ways of receiving a body, in all encodings and compressions."""

from __future__ import annotations

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.uploader.form_uploads import ROWS, chunks_of, post, post_body, utf16
from tests.support.uploader.ingest import form
from tests.support.uploader.server import RunningUploader


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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf16_may_be_declared(uploader: RunningUploader, encoding: str) -> None:
    answer = post(uploader, utf16("ä,b\n1,2\n"), params={"encoding": encoding})
    assert answer.status_code == 202, answer.text

    # The fixture waits until it is gone.
