"""Real services for tests: each a small stack on free ports, with its data in a directory of the test."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack.local import LocalStack
from stack.report import StackReport, silent
from stack.s3 import s3_client
from stack.settings import StackSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


OPEN_ACCESS = {"ACCESS": "open"}
"""Setting of the uploader for tests that are not about keys: requests need none."""


def settings_on_free_ports(**given: Any) -> StackSettings:
    """Return settings with free ports, and without a developer's ``.env``."""
    return StackSettings.on_free_ports(_env_file=None, **given)


@contextmanager
def running_stack(
    root: Path, names: Sequence[str] | None, *, report: StackReport = silent, **settings: Any
) -> Iterator[LocalStack]:
    """Start ``names``, or all if None, under ``root``. Stop them at the end, even if the test fails."""
    stack = LocalStack(root=root, settings=settings_on_free_ports(**settings), report=report)
    try:
        stack.start(names)
        yield stack
    finally:
        stack.stop()


class Service:
    """A component that a test can stop, start and kill."""

    def __init__(self, stack: LocalStack, name: str) -> None:
        self.stack = stack
        self.name = name

    def stop(self) -> None:
        """Stop it gracefully."""
        self.stack.stop([self.name])

    def start(self) -> None:
        """Start it again, on the same port and with its data."""
        self.stack.start([self.name])

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        for process in self.stack.processes_of(self.name):
            process.kill(signal.SIGKILL, family=True)

    def log_tail(self) -> str:
        """Return the end of its logs."""
        return "\n".join(f"--- {p.name}\n{p.log_tail()}" for p in self.stack.processes_of(self.name))


class KafkaBroker(Service):
    """A real broker."""

    replicas = 1
    """Replication factor of topics that a test creates."""

    @property
    def bootstrap(self) -> str:
        """Return ``host:port``."""
        return f"{self.stack.context.settings.host}:{self.stack.context.settings.kafka_port}"


class MinioServer(Service):
    """A real S3 server with the bucket ``raw``."""

    @property
    def endpoint(self) -> str:
        """Return its address."""
        return self.stack.context.url(self.stack.context.settings.minio_port)

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        settings = self.stack.context.settings
        return settings.host, settings.minio_port

    @property
    def access_key(self) -> str:
        """Return the root user."""
        return self.stack.context.secrets.minio_root_user

    @property
    def secret_key(self) -> str:
        """Return the root user's password."""
        return self.stack.context.secrets.minio_root_password.get_secret_value()

    def client(self) -> S3Client:
        """Return a boto3 client."""
        return s3_client(self.stack.context, self.endpoint)
