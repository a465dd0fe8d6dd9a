"""Uploads over HTTP that are refused for their fields or their content, and leave no files."""

from __future__ import annotations

import codecs
import gzip
from typing import Any

import pytest

from tests.support.uploader.form_uploads import ROWS, post, post_body, utf16
from tests.support.uploader.ingest import form
from tests.support.uploader.server import RunningUploader

LONE_SURROGATE = b"\x00\xd8"


def test_all_faults_of_a_file_are_in_the_response(uploader: RunningUploader) -> None:
    problem = post(uploader, b"a,b\n1,2\n3\n4,\0\n").json()
    assert [(fault["reason"], fault["row"], fault["byte"]) for fault in problem["faults"]] == [
        ("ragged_row", 2, 8),
        ("nul_byte", 3, 12),
    ]
    assert problem["fault_counts"] == {"ragged_row": 1, "nul_byte": 1}
    assert problem["scanned_bytes"] == 14


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


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_violation_after_many_chunks_leaves_no_files(uploader: RunningUploader, order: str) -> None:
    content = b"a,b\n" + b"1,2\n" * 1_000_000 + b"3\n"
    parts = [("dataset_name", b"d"), ("chunk_size", b"1"), ("file", content)]
    body = form(reversed(parts) if order == "file first" else parts, boundary="b")
    answer = post_body(uploader, body)
    assert answer.status_code == 400
    assert (answer.json()["row"], answer.json()["byte"]) == (1_000_001, 4_000_004)
