"""Digests that a client declares: what was received has to be what was sent."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from pathlib import Path

import pytest

from contracts.digests import digest_field
from tests.support.uploader.ingest import Received, cut_up, form, receive, stream
from uploader.errors import DigestMismatchError, InvalidDigestError
from uploader.ingest.digest_fields import read_sha256

CONTENT = b"a,b\n" + b"".join(b"%d,x\r\n" % row for row in range(300_000))
FILES = {"plain": CONTENT, "gzip": gzip.compress(CONTENT), "utf-16": CONTENT.decode().encode("utf-16")}
OTHER = hashlib.sha256(b"other").hexdigest()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def body_of(file: bytes, *, file_first: bool = False, digest: str = "") -> bytes:
    parts = [("dataset_name", b"d"), ("file", file)]
    body = form(parts[::-1] if file_first else parts)
    name = b'filename="data.csv"\r\n'
    return body.replace(name, name + f"Repr-Digest: {digest}\r\n".encode(), 1) if digest else body


def send(tmp_path: Path, body: bytes, **headers: str) -> Received:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(receive(stream(cut_up(body, [100_003])), temp_dir=tmp_path, headers=named))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("file_first", [False, True])
def test_right_digests_are_accepted(tmp_path: Path, kind: str, file_first: bool) -> None:
    digest = digest_field(sha256_of(FILES[kind]))
    body = body_of(FILES[kind], file_first=file_first, digest=digest)
    received = send(tmp_path, body, repr_digest=digest, content_digest=digest_field(sha256_of(body)))
    assert received.result.source_sha256 == sha256_of(FILES[kind])


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("file_first", [False, True])
@pytest.mark.parametrize("where", ["repr_digest", "content_digest", "part"])
def test_other_content_is_refused(tmp_path: Path, kind: str, file_first: bool, where: str) -> None:
    digest = digest_field(OTHER)
    body = body_of(FILES[kind], file_first=file_first, digest=digest if where == "part" else "")
    with pytest.raises(DigestMismatchError) as raised:
        send(tmp_path, body, **({} if where == "part" else {where: digest}))
    found = sha256_of(body if where == "content_digest" else FILES[kind])
    assert raised.value.extra == {"expected": OTHER, "found": found}
    assert list(tmp_path.rglob("*.csv")) == []


def test_digest_of_unpacked_content_is_not_that_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatchError):
        send(tmp_path, body_of(FILES["gzip"]), repr_digest=digest_field(sha256_of(CONTENT)))


@pytest.mark.parametrize("value", ["md5=:AAAA:", "sha-512=:AAAA:, unixsum=123", "id-sha-256=?1", ""])
def test_other_algorithms_are_ignored(tmp_path: Path, value: str) -> None:
    assert send(tmp_path, body_of(b"a,b\n1,2\n", digest=value), repr_digest=value, content_digest=value).files


MALFORMED = [
    "sha-256",
    "sha-256=abc",
    "sha-256=:AAAA:",
    "sha-256=:???:",
    "=:AAAA:",
    "sha-256=(:AAAA:)",
    "ä",
    OTHER + ",",
]


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("where", ["repr_digest", "content_digest", "part"])
def test_malformed_digest_is_refused_before_the_file(tmp_path: Path, value: str, where: str) -> None:
    body = body_of(b"a,b\n", digest=value if where == "part" else "")
    with pytest.raises(InvalidDigestError) as raised:
        send(tmp_path, body, **({} if where == "part" else {where: value}))
    assert raised.value.extra["field"] == ("Content-Digest" if where == "content_digest" else "Repr-Digest")


def test_last_of_equal_keys_counts() -> None:
    twice = f"{digest_field(OTHER)}, {digest_field(sha256_of(b''))};q=1"
    assert read_sha256("Repr-Digest", twice) == sha256_of(b"")


def test_field_is_that_of_the_rfc() -> None:
    # RFC 9530, appendix B.1: {"hello": "world"} and a line feed
    assert digest_field(sha256_of(b'{"hello": "world"}\n')) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
