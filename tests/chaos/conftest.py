"""The broker that gets hurt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.services import KafkaBroker, running_stack


@pytest.fixture(scope="module")
def running_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Give a real Kafka for the tests of one file."""
    with running_stack(tmp_path_factory.mktemp("kafka"), ["kafka"]) as stack:
        yield KafkaBroker(stack, "kafka")


@pytest.fixture
def kafka_broker(running_broker: KafkaBroker) -> KafkaBroker:
    """Give that Kafka, which runs, whatever the test before has done to it."""
    running_broker.start()
    return running_broker
