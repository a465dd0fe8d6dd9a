"""What the tests of the DAGs' modules share: fake servers, and a bucket that moto plays."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from dags.modules.object_store import ObjectStore
from tests.support.dags.fixtures import fake_nifi, fake_uploader, no_http_retry_delay

__all__ = ["fake_nifi", "fake_uploader", "no_http_retry_delay"]
UPLOAD = "0123456789abcdef" * 2


@pytest.fixture
def moto_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="raw")
        yield ObjectStore(client=client)
