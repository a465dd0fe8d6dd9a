"""The services that integration tests run on: one of each a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer, running_postgres
from tests.support.services import KafkaBroker, MinioServer, running_stack


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Give a real Kafka with the pipeline's topics."""
    with running_stack(tmp_path_factory.mktemp("kafka"), ["kafka"]) as stack:
        yield KafkaBroker(stack, "kafka")


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """Give a real S3 server with the bucket ``raw``."""
    with running_stack(tmp_path_factory.mktemp("minio"), ["minio"]) as stack:
        yield MinioServer(stack, "minio")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a real PostgreSQL."""
    with running_postgres() as server:
        yield server
