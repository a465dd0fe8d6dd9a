"""Refusals of tus 1.0: malformed requests, faults of the content, and other bytes than were declared."""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

import httpx
import pytest

from contracts.digests import digest_field
from tests.support.uploader import tus
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.tus import ROWS, content_of

PLACE = ("title", "detail", "reason", "row", "byte", "expected", "found", "hint")
"""What a problem document says of the first fault. Others are named as far as the bytes have come."""


def _sha256(content: bytes) -> str:
    return f"sha256 {base64.b64encode(hashlib.sha256(content).digest()).decode()}"


def test_known_length_cannot_change(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    assert_problem(tus.patch(client, path, b"x", offset=0, Upload_Length="5"), 400, "invalid_tus_request")


@pytest.mark.parametrize("offset", [0, 99, 101])
def test_wrong_offset_is_refused_and_the_right_one_named(client: httpx.Client, offset: int) -> None:
    path = tus.create(client, len(ROWS))
    tus.patch(client, path, ROWS[:100], offset=0)
    problem = assert_problem(tus.patch(client, path, b"more", offset=offset), 409, "offset_mismatch")
    assert problem["offset"] == 100
    assert tus.offset_of(client, path) == 100


@pytest.mark.parametrize("chunked", [False, True])
def test_body_beyond_the_length_is_refused(client: httpx.Client, chunked: bool) -> None:
    path = tus.create(client, 100)
    body: Any = iter([ROWS[:101]]) if chunked else ROWS[:101]
    assert_problem(tus.patch(client, path, body, offset=0), 413, "file_too_large")
    assert tus.offset_of(client, path) == 0


def test_file_above_the_limit_is_refused_before_a_byte(client: httpx.Client) -> None:
    assert_problem(tus.try_create(client, 10 * 1024**3 + 1), 413, "file_too_large")


@pytest.mark.parametrize("version", [{}, {"Tus-Resumable": "0.2.2"}])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_other_version_is_refused(client: httpx.Client, method: str, version: dict[str, str]) -> None:
    path = "/files" if method == "POST" else tus.create(client, 10)
    answer = client.request(method, path, headers=version)
    assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")


def test_body_of_another_type_is_refused(client: httpx.Client) -> None:
    path = tus.create(client, 10)
    headers = {**tus.TUS, "Upload-Offset": "0", "Content-Type": "text/csv"}
    assert_problem(client.patch(path, content=b"x", headers=headers), 415, "unsupported_media_type")


def test_fields_are_checked_before_a_byte(client: httpx.Client) -> None:
    assert_problem(tus.try_create(client, 10, chunk_type="lines"), 422, "invalid_field")
    assert_problem(tus.try_create(client, 10, dataset_name=".."), 422, "invalid_dataset_name")


def test_invalid_csv_is_refused_where_it_is_and_gone_afterwards(client: httpx.Client) -> None:
    content = b"a,b\n" + b"1,2\n" * 100_000 + b"1,2,3\n" + b"1,2\n" * 100_000
    plain = client.post("/upload/csv?dataset_name=people", files={"file": ("p.csv", content)})
    path = tus.create(client, len(content))
    middle = len(content) // 2 - 9
    assert tus.patch(client, path, content[:middle], offset=0).status_code == 204
    refused = assert_problem(tus.patch(client, path, content[middle:-9], offset=middle), 400, "invalid_csv")
    expected = assert_problem(plain, 400, "invalid_csv")
    assert {name: refused[name] for name in PLACE} == {name: expected[name] for name in PLACE}
    gone = assert_problem(tus.patch(client, path, content[middle:], offset=middle), 410, "resumable_upload_refused")
    assert (gone["problem"]["row"], gone["problem"]["byte"]) == (expected["row"], expected["byte"])
    assert tus.head(client, path).status_code == 410


def test_fault_that_only_the_end_shows_is_refused(client: httpx.Client) -> None:
    content = b'a,b\n1,"open'
    path = tus.create(client, len(content))
    problem = assert_problem(tus.patch(client, path, content, offset=0), 400, "invalid_csv")
    assert problem["reason"] == "unterminated_quote"
    assert tus.head(client, path).status_code == 410


def test_empty_file_is_refused_at_its_creation(client: httpx.Client) -> None:
    assert_problem(tus.try_create(client, 0), 400, "invalid_csv")


def test_wrong_checksum_keeps_nothing_of_the_request(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    tus.patch(client, path, ROWS[:100], offset=0, Upload_Checksum=_sha256(ROWS[:100]))
    answer = tus.patch(client, path, b'"' + ROWS[101:200], offset=100, Upload_Checksum=_sha256(ROWS[100:200]))
    assert_problem(answer, 460, "checksum_mismatch")
    assert tus.offset_of(client, path) == 100
    answer = tus.patch(client, path, ROWS[100:], offset=100, Upload_Checksum=_sha256(ROWS[100:]))
    assert content_of(client, answer.headers["CSVPipe-Upload"]) == ROWS


def test_fault_in_bytes_with_a_right_checksum_is_refused(client: httpx.Client) -> None:
    content = b"a,b\n1,2,3\n"
    path = tus.create(client, len(content))
    answer = tus.patch(client, path, content, offset=0, Upload_Checksum=_sha256(content))
    assert_problem(answer, 400, "invalid_csv")


def test_unknown_checksum_is_refused(client: httpx.Client) -> None:
    path = tus.create(client, 10)
    answer = tus.patch(client, path, b"x", offset=0, Upload_Checksum="md5 1B2M2Y8AsgTpgAmY7PhCfg==")
    assert_problem(answer, 400, "invalid_tus_request")


def test_file_that_is_not_the_announced_one_is_refused(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS), sha256="0" * 64)
    problem = assert_problem(tus.patch(client, path, ROWS, offset=0), 400, "digest_mismatch")
    assert problem["found"] == hashlib.sha256(ROWS).hexdigest()
    assert tus.head(client, path).status_code == 410


def test_file_that_is_not_that_of_its_repr_digest_is_refused(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS), headers={"Repr-Digest": digest_field("0" * 64)})
    assert_problem(tus.patch(client, path, ROWS, offset=0), 400, "digest_mismatch")
    path = tus.create(client, len(ROWS), headers={"Repr-Digest": digest_field(hashlib.sha256(ROWS).hexdigest())})
    assert "CSVPipe-Upload" in tus.patch(client, path, ROWS, offset=0).headers


def test_wrong_content_digest_keeps_nothing_of_the_request(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    digest = digest_field(hashlib.sha256(ROWS).hexdigest())
    answer = tus.patch(client, path, ROWS[:100], offset=0, Content_Digest=digest)
    assert "Content-Digest" in assert_problem(answer, 460, "checksum_mismatch")["detail"]
    assert tus.offset_of(client, path) == 0
    assert "CSVPipe-Upload" in tus.patch(client, path, ROWS, offset=0, Content_Digest=digest).headers


def test_malformed_digests_are_refused(client: httpx.Client) -> None:
    wrong = {"Repr-Digest": "sha-256=:AAAA:"}
    assert_problem(tus.try_create(client, 10, headers=wrong), 400, "invalid_digest")
    path = tus.create(client, 10)
    assert_problem(tus.patch(client, path, b"x", offset=0, Content_Digest="sha-256=AAAA"), 400, "invalid_digest")


def test_finished_upload_takes_no_more_bytes(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    upload_id = tus.patch(client, path, ROWS, offset=0).headers["CSVPipe-Upload"]
    assert_problem(tus.patch(client, path, b"x", offset=len(ROWS)), 409, "offset_mismatch")
    assert tus.patch(client, path, b"", offset=len(ROWS)).headers["CSVPipe-Upload"] == upload_id


def test_truncated_compressed_file_is_refused_for_good(client: httpx.Client) -> None:
    packed = gzip.compress(ROWS)[:-9]
    path = tus.create(client, len(packed))
    assert_problem(tus.patch(client, path, packed, offset=0), 400, "invalid_compression")
    assert tus.head(client, path).status_code == 410
