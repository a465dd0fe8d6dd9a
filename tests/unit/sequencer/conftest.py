"""What the sequencer's tests share: both checkpoint stores, and AWS as moto fakes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.store import CheckpointStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

TABLE = "csvpipe-checkpoints"


@pytest.fixture
def moto_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let moto stand in for AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def moto_dynamodb(moto_aws: None) -> DynamoDBClient:
    """Give moto's DynamoDB, with the table of the checkpoints."""
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture(params=["sqlite", "dynamodb by moto"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    """Give each of the two stores."""
    if request.param == "sqlite":
        return SqliteCheckpoints(str(tmp_path / "made" / "checkpoints.sqlite3"))
    return DynamoDbCheckpoints(request.getfixturevalue("moto_dynamodb"), table=TABLE)
