"""Objects of a real S3 server: in order, at one version, over connections that break."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING
from unittest.mock import patch

import boto3
import pytest
from botocore.config import Config

from contracts.errors import SourceChangedError, TemporaryFailureError
from sequencer.errors import NotAllowedError, SourceNotFoundError
from sequencer.source.files import open_sources
from tests.support.network.cutting_proxy import cutting_proxy
from tests.support.services import MinioServer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONTENT = random.Random(7).randbytes(3_000_001)


@pytest.fixture(autouse=True)
def small_ranges() -> Iterator[None]:
    """Read in many ranges what is small."""
    with patch("sequencer.source.s3.RANGE_BYTES", 256 * 1024), patch("sequencer.source.s3_reader._FIRST_WAIT_S", 0.001):
        yield


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
def test_content_from_any_byte_on(minio: MinioServer, key: str, start: int) -> None:
    (file,) = open_sources([f"s3://raw/{key}"], connect=minio.client, retries=3)
    with file.open(start) as pieces:
        assert b"".join(pieces) == CONTENT[start:]
    assert (file.name, file.size_bytes, file.stored_bytes_read) == (f"s3://raw/{key}", len(CONTENT), len(CONTENT))


def test_connections_that_break_cost_nothing(minio: MinioServer, key: str) -> None:
    settings = minio.stack.context.settings
    with cutting_proxy(settings.host, settings.minio_port, cuts=12, cut_after_bytes=100_000) as proxy:
        (file,) = open_sources([f"s3://raw/{key}"], connect=lambda: client(minio, proxy.url), retries=5)
        with file.open() as pieces:
            assert b"".join(pieces) == CONTENT
        assert proxy.cuts_made == 12


def test_connections_that_break_without_end_are_given_up(minio: MinioServer, key: str) -> None:
    settings = minio.stack.context.settings
    with cutting_proxy(settings.host, settings.minio_port, cuts=10**9, cut_after_bytes=1) as proxy:
        found = open_sources([f"s3://raw/{key}"], connect=minio.client, retries=2)
        assert not found[0].compressed
        with (
            patch.object(vars(found[0])["_reader"], "_client", client(minio, proxy.url)),
            found[0].open() as pieces,
            pytest.raises(TemporaryFailureError, match="after 3 tries in a row"),
        ):
            list(pieces)


def test_object_that_is_replaced_is_another(minio: MinioServer, key: str) -> None:
    (file,) = open_sources([f"s3://raw/{key}"], connect=minio.client, retries=3)
    with file.open() as pieces:
        next(pieces)
        minio.client().put_object(Bucket="raw", Key=key, Body=CONTENT + b"more")
        with pytest.raises(SourceChangedError, match="another JOB_ID"):
            list(pieces)


def test_prefix_stands_for_its_objects_in_the_order_of_their_keys(minio: MinioServer, key: str) -> None:
    for name in ("b", "a", "c", "folder/"):
        minio.client().put_object(Bucket="raw", Key=f"{key}-prefix/{name}", Body=b"" if name == "folder/" else b"x")
    files = open_sources([f"s3://raw/{key}-prefix/"], connect=minio.client, retries=3)
    assert [file.name.rpartition("/")[2] for file in files] == ["a", "b", "c"]


@pytest.mark.parametrize("what", ["sequencer/none", "sequencer/none/"])
def test_what_is_not_there_is_said(minio: MinioServer, what: str) -> None:
    with pytest.raises(SourceNotFoundError, match=what):
        open_sources([f"s3://raw/{what}"], connect=minio.client, retries=3)


def test_wrong_credentials_are_said(minio: MinioServer, key: str) -> None:
    with pytest.raises(NotAllowedError, match="S3 refuses"):
        open_sources([f"s3://raw/{key}"], connect=lambda: client(minio, minio.endpoint, secret="wrong"), retries=3)
