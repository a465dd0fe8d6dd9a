from __future__ import annotations

import base64
import hashlib

import pytest

from contracts.digests import digest_field
from uploader.errors import InvalidDigestError, UnsupportedMediaTypeError
from uploader.resumable.errors import TusRequestError, TusVersionError
from uploader.resumable.tus_headers import (
    Checksum,
    check_content_type,
    check_version,
    http_date,
    read_checksum,
    read_length,
    read_offset,
)


@pytest.mark.parametrize("headers", [{}, {"tus-resumable": "0.2.2"}])
def test_other_version_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(TusVersionError):
        check_version(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/csv"},
        {"content-type": "application/offset+octet-stream", "content-encoding": "gzip"},
    ],
)
def test_body_of_another_type_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        check_content_type(headers)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "0x10", "١", "1" * 20])  # noqa: RUF001  an Arabic digit
def test_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(TusRequestError):
        read_offset({"upload-offset": value})


def test_length_may_follow_later() -> None:
    assert read_length({"upload-defer-length": "1"}) is None
    assert read_length({"upload-length": "0"}) == 0


@pytest.mark.parametrize(
    "headers", [{}, {"upload-defer-length": "0"}, {"upload-length": "3", "upload-defer-length": "1"}]
)
def test_length_is_said_once(headers: dict[str, str]) -> None:
    with pytest.raises(TusRequestError):
        read_length(headers)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_checksum_is_read(algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"x").digest()
    header = f"{algorithm} {base64.b64encode(digest).decode()}"
    assert read_checksum({"upload-checksum": header}) == Checksum(algorithm, digest)


@pytest.mark.parametrize("value", ["", "sha256", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256 ?", "sha256 AAAA"])
def test_malformed_checksum_is_refused(value: str) -> None:
    with pytest.raises(TusRequestError):
        read_checksum({"upload-checksum": value})


def test_content_digest_is_a_checksum_of_the_body() -> None:
    digest = hashlib.sha256(b"x").digest()
    field = digest_field(digest.hex())
    assert read_checksum({"content-digest": field}) == Checksum("sha256", digest, header="Content-Digest")
    assert read_checksum({"content-digest": "sha-512=:AAAA:"}) is None


def test_malformed_content_digest_is_refused() -> None:
    with pytest.raises(InvalidDigestError):
        read_checksum({"content-digest": "sha-256=:AAAA:"})


def test_two_checksums_of_a_body_are_refused() -> None:
    digest = hashlib.sha256(b"x").digest()
    checksum = f"sha256 {base64.b64encode(digest).decode()}"
    with pytest.raises(TusRequestError, match="Content-Digest"):
        read_checksum({"upload-checksum": checksum, "content-digest": digest_field(digest.hex())})


def test_date_is_in_the_form_of_http() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
