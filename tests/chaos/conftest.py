"""The broker that gets hurt: one of its own for each test."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.services import KafkaBroker, running_stack


@pytest.fixture
def kafka_broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """Give a real Kafka that no other test uses."""
    with running_stack(tmp_path / "kafka", ["kafka"]) as stack:
        yield KafkaBroker(stack, "kafka")


@pytest.fixture
def dice() -> random.Random:
    """Give the randomness of a test; what it began with is printed, and can be given by CSVPIPE_CHAOS_SEED."""
    seed = int(os.environ.get("CSVPIPE_CHAOS_SEED", random.SystemRandom().randrange(10**9)))
    sys.stdout.write(f"CSVPIPE_CHAOS_SEED={seed}\n")
    return random.Random(seed)
