"""What every test shares.

These are Hypothesis's profile, randomness that can be repeated, the log put back afterwards, and the distribution over
the workers of pytest-xdist.
"""

import logging
import os
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.workers import FilesTogether

# Timings belong to benchmarks: on a busy machine a deadline fails a test for nothing.
settings.register_profile("csvpipe", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("csvpipe")

_WITH_LEVELS = ("librdkafka", "botocore", "urllib3")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Distribute whole files over the workers of pytest-xdist."""
    return FilesTogether(config, log)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Put handlers and levels back: those of a command write to the stderr of its own test, which is closed then."""
    root, others = logging.getLogger(), [logging.getLogger(name) for name in _WITH_LEVELS]
    handlers, level, levels = root.handlers[:], root.level, [other.level for other in others]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for other, before in zip(others, levels, strict=True):
        other.setLevel(before)


@pytest.fixture
def dice() -> random.Random:
    """Give the randomness of a test; what it began with is printed, and can be given by CSVPIPE_CHAOS_SEED."""
    seed = int(os.environ.get("CSVPIPE_CHAOS_SEED", random.SystemRandom().randrange(10**9)))
    sys.stdout.write(f"CSVPIPE_CHAOS_SEED={seed}\n")
    return random.Random(seed)
