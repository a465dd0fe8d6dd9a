from __future__ import annotations

import pytest

from contracts.errors import CsvPipeError
from csvpipe.errors import ResponseLostError, SlowDownError, UnavailableError
from csvpipe.upload.patience import Patience

LOST = ResponseLostError("no answer. Is it running?")


class Waiting:
    """Patience on a clock that only its own waits move."""

    def __init__(self, limit_s: float) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []
        self.said: list[str] = []
        self.patience = Patience(limit_s, say=self.said.append, sleep=self._sleep, now=lambda: self.now_s)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    def exhaust(self, error: CsvPipeError) -> CsvPipeError:
        while True:
            try:
                self.patience.wait(error)
            except CsvPipeError as given_up:
                return given_up


def test_patience_of_hours_ends_in_time_too() -> None:
    waiting = Waiting(6 * 3600)
    assert isinstance(waiting.exhaust(LOST), ResponseLostError)
    assert waiting.waits[-1] == 10


def test_waits_grow_to_ten_seconds_and_end_in_time() -> None:
    waiting = Waiting(600)
    given_up = waiting.exhaust(LOST)
    assert waiting.waits[:8] == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert set(waiting.waits[6:]) == {10}
    assert 590 < sum(waiting.waits) <= 600
    assert isinstance(given_up, ResponseLostError)
    assert given_up.detail.startswith("no answer. Is it running? Given up after ")
    assert "--retry-for" in given_up.detail


def test_reason_is_said_once_until_another_one_comes() -> None:
    waiting = Waiting(600)
    for error in (LOST, LOST, UnavailableError("refused"), LOST):
        waiting.patience.wait(error)
    assert [text.partition(";")[0] for text in waiting.said] == ["no answer", "refused", "no answer"]


def test_progress_brings_all_patience_back() -> None:
    waiting = Waiting(2)
    for _ in range(5):
        waiting.patience.wait(LOST)
        waiting.patience.wait(LOST)
        waiting.patience.note_progress()
    assert waiting.waits == [0.25, 0.5] * 5


def test_time_of_the_attempts_counts() -> None:
    waiting = Waiting(100)
    waiting.patience.wait(LOST)
    waiting.now_s += 100
    waiting.exhaust(LOST)
    assert waiting.waits == [0.25]


@pytest.mark.parametrize(("wait_s", "waited"), [(7, 7), (0, 1), (None, 10)])
def test_limit_of_the_key_is_waited_for_as_long_as_it_says(wait_s: float | None, waited: float) -> None:
    waiting = Waiting(600)
    waiting.patience.wait(SlowDownError("10 a minute. Try again", wait_s=wait_s))
    assert waiting.waits == [waited]
    assert waiting.said == [f"10 a minute; waiting {waited} s"]


def test_wait_that_would_be_too_long_is_not_begun() -> None:
    waiting = Waiting(10)
    given_up = waiting.exhaust(SlowDownError("10 a minute", wait_s=11, limit="rate"))
    assert waiting.waits == []
    assert isinstance(given_up, SlowDownError)
    assert (given_up.wait_s, given_up.extra) == (11, {"limit": "rate"})


def test_no_patience_raises_the_first_error() -> None:
    waiting = Waiting(0)
    assert isinstance(waiting.exhaust(LOST), ResponseLostError)
    assert waiting.waits == []
