"""What every test shares.

These are Hypothesis's profiles, randomness that can be repeated, the log put back afterwards, the distribution over
the workers of pytest-xdist, patient HTTP requests, and less work for the garbage collector and for botocore.
"""

import gc
import logging
import os
import random
import sys
from collections.abc import Generator, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.examples import register_profiles
from tests.support.patience import patient_requests
from tests.support.s3.service_models import parsed_once
from tests.support.workers import FilesTogether

register_profiles()

_WITH_LEVELS = ("librdkafka", "botocore", "urllib3")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Distribute whole files over the workers of pytest-xdist."""
    return FilesTogether(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is imported out of garbage collections: a full one would visit half a million objects for nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _service_models() -> Iterator[None]:
    """Spare each client of AWS a tenth of a second."""
    with parsed_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """Let requests without a timeout of their own wait for a service that stands still for seconds."""
    with patient_requests():
        yield


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
