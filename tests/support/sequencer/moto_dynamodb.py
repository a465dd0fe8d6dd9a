"""DynamoDB as faked by moto's server, in its own process with real HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints
from sequencer.model.checkpoint import Checkpoint
from stack.ports import free_ports
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_HOST = "127.0.0.1"
_REGION = "us-east-1"
TABLE = "csvpipe-checkpoints"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": _REGION}


class _SeenByTests(DynamoDbCheckpoints):
    """Looks again where an item is half written: moto sets its attributes one by one, DynamoDB all at once."""

    def load(self, job_id: str) -> Checkpoint | None:
        while True:
            with suppress(KeyError):
                return super().load(job_id)


class MotoDynamoDb:
    """The server and its table of checkpoints."""

    def __init__(self, port: int) -> None:
        self.host, self.port = _HOST, port
        self.client: DynamoDBClient = boto3.client(
            "dynamodb",
            region_name=_REGION,
            endpoint_url=f"http://{_HOST}:{port}",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1}),
        )
        self.checkpoints = _SeenByTests(self.client, table=TABLE)

    def make_table(self) -> bool:
        """Make the table; False: the server does not answer yet."""
        try:
            self.client.create_table(
                TableName=TABLE,
                KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except BotoCoreError:
            return False
        return True

    def lease_until(self, job_id: str) -> float:
        """Return when the lease of a job runs out, in seconds since 1970."""
        item = self.client.get_item(TableName=TABLE, Key={"job_id": {"S": job_id}}, ConsistentRead=True)["Item"]
        return float(item["lease_until"]["N"])


@contextmanager
def moto_dynamodb(directory: Path) -> Iterator[MotoDynamoDb]:
    """Run one until the block ends; its log is written to ``directory``."""
    (port,) = free_ports(1)
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", _HOST, "-p", str(port)]
    with (directory / "moto.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            server = MotoDynamoDb(port)
            wait_until(server.make_table, what="moto's server answers", deadline_s=60)
            yield server
            server.client.close()
        finally:
            process.terminate()
