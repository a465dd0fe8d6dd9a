"""Objects of a real S3 server are read in order, at one version, over connections that break."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from aws.object_head import head_object
from aws.s3_reader import S3Reader
from contracts.backoff import Backoff
from contracts.errors import NotAllowedError, SourceChangedError, SourceNotFoundError, TemporaryFailureError
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3_SETTINGS, S3Options
from tests.support.network.cutting_proxy import cutting_proxy
from tests.support.services import MinioServer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONTENT = random.Random(7).randbytes(3_000_001)


def small_ranges(connect: Callable[[], S3Client], *, retries: int = 3) -> S3Options:
    """Return options with which small objects are read in many ranges."""
    return S3Options(connect=connect, retries=retries, range_bytes=256 * 1024, backoff=Backoff(0.001, 0.001))


@pytest.fixture
def key(minio: MinioServer, request: pytest.FixtureRequest) -> str:
    name = f"sequencer/{request.node.name}"
    minio.client().put_object(Bucket="raw", Key=name, Body=CONTENT)
    return name


def client(minio: MinioServer, endpoint: str, *, secret: str | None = None) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=minio.access_key,
        aws_secret_access_key=secret or minio.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("start", [0, 1, 256 * 1024, 2_999_999, 3_000_001])
def test_content_is_read_from_any_byte_on(minio: MinioServer, key: str, start: int) -> None:
    (file,) = open_sources([f"s3://raw/{key}"], s3=small_ranges(minio.client))
    with file.open(start) as pieces:
        assert b"".join(pieces) == CONTENT[start:]
    assert (file.name, file.size_bytes, file.stored_bytes_read) == (f"s3://raw/{key}", len(CONTENT), len(CONTENT))


def test_broken_connections_are_resumed(minio: MinioServer, key: str) -> None:
    settings = minio.stack.context.settings
    with cutting_proxy(settings.host, settings.minio_port, cuts=12, cut_after_bytes=100_000) as proxy:
        (file,) = open_sources([f"s3://raw/{key}"], s3=small_ranges(lambda: client(minio, proxy.url), retries=5))
        with file.open() as pieces:
            assert b"".join(pieces) == CONTENT
        assert proxy.cuts_made == 12


def test_connections_that_always_break_use_up_the_retries(minio: MinioServer, key: str) -> None:
    settings = minio.stack.context.settings
    with cutting_proxy(settings.host, settings.minio_port, cuts=10**9, cut_after_bytes=1) as proxy:
        reader = S3Reader(
            client(minio, proxy.url),
            bucket="raw",
            key=key,
            version=head_object(minio.client(), bucket="raw", key=key).version,
            settings=S3_SETTINGS,
            retries=2,
            backoff=Backoff(0.001, 0.001),
        )
        with pytest.raises(TemporaryFailureError, match="after 3 tries in a row"):
            list(reader.read(0, len(CONTENT)))


def test_replaced_object_is_refused(minio: MinioServer, key: str) -> None:
    (file,) = open_sources([f"s3://raw/{key}"], s3=small_ranges(minio.client))
    with file.open() as pieces:
        next(pieces)
        minio.client().put_object(Bucket="raw", Key=key, Body=CONTENT + b"more")
        with pytest.raises(SourceChangedError, match="new JOB_ID"):
            list(pieces)


def test_objects_of_a_prefix_are_sorted_by_key(minio: MinioServer, key: str) -> None:
    for name in ("b", "a", "c", "folder/"):
        minio.client().put_object(Bucket="raw", Key=f"{key}-prefix/{name}", Body=b"" if name == "folder/" else b"x")
    files = open_sources([f"s3://raw/{key}-prefix/"], s3=small_ranges(minio.client))
    assert [file.name.rpartition("/")[2] for file in files] == ["a", "b", "c"]


@pytest.mark.parametrize("what", ["sequencer/none", "sequencer/none/"])
def test_missing_object_is_reported(minio: MinioServer, what: str) -> None:
    with pytest.raises(SourceNotFoundError, match=what):
        open_sources([f"s3://raw/{what}"], s3=small_ranges(minio.client))


def test_wrong_credentials_are_refused(minio: MinioServer, key: str) -> None:
    with pytest.raises(NotAllowedError, match="S3 refuses"):
        open_sources([f"s3://raw/{key}"], s3=small_ranges(lambda: client(minio, minio.endpoint, secret="wrong")))
