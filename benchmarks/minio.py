"""MinIO as a contender of the upload benchmark: one object put by boto3."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server_process import Server
from stack.local import LocalStack
from stack.report import ConsoleReport
from stack.s3 import s3_client
from stack.settings import StackSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_BUCKET, _KEY = "csvpipe-benchmark", "stored"


@dataclass(frozen=True)
class Store:
    """An S3 server. ``server`` is None if the benchmark did not start it; its CPU and memory are then unknown."""

    client: S3Client
    server: Server | None

    @contextmanager
    def bucket(self) -> Iterator[None]:
        """Create the bucket, and remove it at the end."""
        self.client.create_bucket(Bucket=_BUCKET)
        try:
            yield
        finally:
            self.client.delete_object(Bucket=_BUCKET, Key=_KEY)
            self.client.delete_bucket(Bucket=_BUCKET)

    def clear(self) -> None:
        """Delete the object of the previous trial, and sync the disk."""
        self.client.delete_object(Bucket=_BUCKET, Key=_KEY)
        os.sync()

    def put(self, path: Path) -> float:
        """Put the file by one ``put_object`` and return the duration in seconds."""
        started = time.perf_counter()
        with path.open("rb") as file:
            self.client.put_object(Bucket=_BUCKET, Key=_KEY, Body=file)
        return time.perf_counter() - started


def given_store(endpoint: str) -> Store:
    """Return the server at ``endpoint``, with credentials from the environment."""
    import boto3

    return Store(boto3.client("s3", endpoint_url=endpoint), None)


@contextmanager
def own_store(root: Path) -> Iterator[Store]:
    """Run MinIO on a free port with its data below ``root``, after building it if necessary.

    Raises:
        StackError: it cannot be built or started.
    """
    stack = LocalStack(root=root, settings=StackSettings.on_free_ports(), report=ConsoleReport(sys.stderr))
    try:
        stack.start(["minio"])
        settings, pid = stack.context.settings, stack.process("minio").pid
        client = s3_client(stack.context, f"http://{settings.host}:{settings.minio_port}")
        yield Store(client, Server(settings.minio_port, pid) if pid else None)
    finally:
        stack.stop()
