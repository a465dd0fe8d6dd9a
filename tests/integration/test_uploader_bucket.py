"""The uploader's own look at landed objects, in a real object store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from contracts.names import BUCKET_RAW, METADATA_SHA256
from tests.support.services import MinioServer
from uploader.bucket.s3_object_checker import S3ObjectChecker
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError
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
    return S3ObjectChecker.from_settings(_settings(minio, tmp_path))


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

    for fault, part in zip(faults, ("does not exist", "bytes, expected", SHA256, "SHA-256 none"), strict=True):
        assert fault is not None
        assert part in fault


def test_store_that_cannot_say_is_not_a_missing_object(minio: MinioServer, tmp_path: Path) -> None:
    _put(minio, "checked/good.csv")
    no_bucket = _expect("checked/good.csv", bucket="no-such-bucket")
    with pytest.raises(BucketUnavailableError, match="no such bucket"):
        S3ObjectChecker.from_settings(_settings(minio, tmp_path)).find_fault(no_bucket)
    for wrong in ({"aws_secret_access_key": "wrong"}, {"s3_endpoint": "http://127.0.0.1:1"}):
        checker = S3ObjectChecker.from_settings(_settings(minio, tmp_path, **wrong))
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
