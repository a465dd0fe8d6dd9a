"""Calls with a timeout to functions that may hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from uploader.errors import ManifestUnavailableError
from uploader.runtime.single_flight import SingleFlightCall


@pytest.fixture
def answered() -> Iterator[threading.Event]:
    """Give what the one that is asked waits for; nothing waits for it after the test."""
    event = threading.Event()
    yield event
    event.set()


def test_each_call_returns_a_new_result() -> None:
    ask = SingleFlightCall(count().__next__, timeout_s=60)
    assert [ask(), ask()] == [0, 1]


def test_error_is_raised_to_the_caller() -> None:
    def ask() -> None:
        raise ManifestUnavailableError("it is a test")

    with pytest.raises(ManifestUnavailableError, match="it is a test"):
        SingleFlightCall(ask, timeout_s=60)()


def test_calls_during_a_hanging_call_time_out_and_start_no_other(answered: threading.Event) -> None:
    calls = count(1)
    numbers: list[int] = []
    begun = threading.Event()

    def ask() -> None:
        numbers.append(next(calls))
        begun.set()
        assert answered.wait(60)

    bounded = SingleFlightCall(ask, timeout_s=0.01)
    for _ in range(3):
        with pytest.raises(ManifestUnavailableError, match=r"within 0\.01 seconds"):
            bounded()
    assert begun.wait(60)
    assert numbers == [1]
