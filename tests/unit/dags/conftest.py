"""What the tests of the DAGs' modules share: fake servers, and a bucket that moto plays."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from dags.modules import http_session
from dags.modules.object_store import ObjectStore
from tests.dags.fakes import FakeNifi, FakeUploader

UPLOAD = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _no_waits_between_http_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "BACKOFF_FACTOR", 0)


@pytest.fixture
def fake_uploader() -> Iterator[FakeUploader]:
    with FakeUploader().running() as server:
        yield server


@pytest.fixture
def fake_nifi() -> Iterator[FakeNifi]:
    with FakeNifi().running() as server:
        yield server


@pytest.fixture
def moto_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="raw")
        yield ObjectStore(client=client)
