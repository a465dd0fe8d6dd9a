"""The uploader's own look at landed objects, and into them, in a real object store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.names import BUCKET_RAW, METADATA_SHA256
from tests.support.services import MinioServer
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import running_uploader
from uploader.bucket.s3_lookup import S3Lookup
from uploader.bucket.s3_object_checker import S3ObjectChecker
from uploader.bucket.s3_object_reader import S3ObjectReader
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError, ChunkGoneError
from uploader.settings import Settings

CONTENT = b"id\r\n1\r\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def _settings(minio: MinioServer, tmp_path: Path, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "s3_endpoint": minio.endpoint,
        "aws_access_key_id": minio.access_key,
        "aws_secret_access_key": minio.secret_key,
        "temp_dir": tmp_path,
    }
    return Settings(_env_file=None, **{**given, **changes})


def _expect(key: str, **changes: Any) -> ChunkObject:
    given: dict[str, Any] = {"bucket": BUCKET_RAW, "key": key, "size_bytes": len(CONTENT), "sha256": SHA256}
    return ChunkObject(**{**given, **changes})


@pytest.fixture
def checker(minio: MinioServer, tmp_path: Path) -> S3ObjectChecker:
    return S3ObjectChecker(S3Lookup.from_settings(_settings(minio, tmp_path)))


def _put(minio: MinioServer, key: str, *, sha256: str | None = SHA256) -> None:
    metadata = {} if sha256 is None else {METADATA_SHA256: sha256}
    minio.client().put_object(Bucket=BUCKET_RAW, Key=key, Body=CONTENT, Metadata=metadata)


def test_object_as_announced_has_no_fault(minio: MinioServer, checker: S3ObjectChecker) -> None:
    _put(minio, "checked/good.csv")
    assert checker.find_fault(_expect("checked/good.csv")) is None


def test_missing_or_different_object_is_a_fault(minio: MinioServer, checker: S3ObjectChecker) -> None:
    _put(minio, "checked/other.csv")
    _put(minio, "checked/bare.csv", sha256=None)

    faults = [
        checker.find_fault(_expect("checked/none.csv")),
        checker.find_fault(_expect("checked/other.csv", size_bytes=len(CONTENT) + 1)),
        checker.find_fault(_expect("checked/other.csv", sha256="0" * 64)),
        checker.find_fault(_expect("checked/bare.csv")),
    ]

    for fault, part in zip(faults, ("does not exist", "has 7 bytes, expected 8", SHA256, "SHA-256 none"), strict=True):
        assert fault is not None
        assert part in fault


def test_store_that_cannot_say_is_not_a_missing_object(minio: MinioServer, tmp_path: Path) -> None:
    _put(minio, "checked/good.csv")
    no_bucket = _expect("checked/good.csv", bucket="no-such-bucket")
    with pytest.raises(BucketUnavailableError, match="no such bucket"):
        S3ObjectChecker(S3Lookup.from_settings(_settings(minio, tmp_path))).find_fault(no_bucket)
    for wrong in ({"aws_secret_access_key": "wrong"}, {"s3_endpoint": "http://127.0.0.1:1"}):
        checker = S3ObjectChecker(S3Lookup.from_settings(_settings(minio, tmp_path, **wrong)))
        for key in ("checked/good.csv", "checked/none.csv"):
            with pytest.raises(BucketUnavailableError):
                checker.find_fault(_expect(key))


def test_stopped_store_is_asked_again_later(minio: MinioServer, checker: S3ObjectChecker) -> None:
    _put(minio, "checked/later.csv")
    minio.stop()
    try:
        with pytest.raises(BucketUnavailableError):
            checker.find_fault(_expect("checked/later.csv"))
    finally:
        minio.start()
    assert checker.find_fault(_expect("checked/later.csv")) is None


def test_start_of_an_object_is_read(minio: MinioServer, tmp_path: Path) -> None:
    _put(minio, "read/good.csv")
    _put(minio, "read/bare.csv", sha256=None)
    reader = S3ObjectReader(S3Lookup.from_settings(_settings(minio, tmp_path)))

    assert reader.read_start(_expect("read/good.csv"), 4) == CONTENT[:4]
    assert reader.read_start(_expect("read/good.csv"), 1_000) == CONTENT
    for other in (_expect("read/none.csv"), _expect("read/bare.csv"), _expect("read/good.csv", size_bytes=4)):
        with pytest.raises(ChunkGoneError, match=other.url):
            reader.read_start(other, 4)
    with pytest.raises(BucketUnavailableError, match="no such bucket"):
        reader.read_start(_expect("read/good.csv", bucket="no-such-bucket"), 4)


def test_first_rows_of_a_cleaned_chunk_come_from_the_bucket(minio: MinioServer, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"aws_access_key_id": minio.access_key, "aws_secret_access_key": minio.secret_key}
    with (
        running_uploader(tmp_path / "chunks", s3_endpoint=minio.endpoint, **keys) as server,
        httpx.Client(base_url=server.base_url, trust_env=False) as client,
    ):
        content = b'id;note\n007;"a\nb"\n008;c\n'
        answer = client.post("/upload/csv?dataset_name=people", files={"file": ("people.csv", content)})
        upload_id = answer.json()["upload_id"]
        [chunk] = client.get(f"/uploads/{upload_id}/manifest").json()["chunks"]
        (server.temp_dir / upload_id / chunk["filename"]).unlink()
        assert_problem(client.get(f"/uploads/{upload_id}/rows"), 410, "chunk_gone")
        metadata = {METADATA_SHA256: chunk["sha256"]}
        minio.client().put_object(Bucket=BUCKET_RAW, Key=chunk["key"], Body=content, Metadata=metadata)
        found = client.get(f"/uploads/{upload_id}/rows")
        assert (found.status_code, found.json()) == (
            200,
            {"header": ["id", "note"], "rows": [["007", "a\nb"], ["008", "c"]], "row_count": 2},
        )
        minio.stop()
        try:
            assert_problem(client.get(f"/uploads/{upload_id}/rows"), 503, "bucket_unavailable")
        finally:
            minio.start()
