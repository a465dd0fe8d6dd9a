"""The services that integration tests run on: one of each a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kafka.fixtures import broker_authority, secure_broker
from tests.support.nifi.fake_chunk_source import FakeChunkSource, fake_chunk_source
from tests.support.nifi.server import NiFiServer
from tests.support.services import KafkaBroker, MinioServer, running_stack
from tests.support.uploader.postgres import PostgresServer, running_postgres

__all__ = ["broker_authority", "secure_broker"]


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


@pytest.fixture(scope="session")
def nifi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NiFiServer]:
    """Give a real NiFi that runs the flow, with a real S3 server of its own."""
    with running_stack(tmp_path_factory.mktemp("nifi"), ["minio", "nifi"]) as stack:
        server = NiFiServer(stack)
        server.deploy()
        yield server


@pytest.fixture
def source() -> Iterator[FakeChunkSource]:
    """Give a fake of the uploader's download route."""
    with fake_chunk_source() as server:
        yield server
