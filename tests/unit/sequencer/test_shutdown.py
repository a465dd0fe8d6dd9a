"""The wish to stop is taken once, and says until when draining may take."""

from __future__ import annotations

import signal
import threading
from unittest.mock import patch

import pytest

from sequencer.shutdown import StopRequest, exiting_in_time, stopping_on_signals
from tests.support.waiting import wait_until


def test_first_wish_counts_and_begins_the_time_for_draining() -> None:
    stop = StopRequest(within_s=90)
    assert (stop.requested, stop.is_late(), stop.wait(0)) == (False, False, False)
    with patch("sequencer.shutdown.time.monotonic", return_value=1000.0):
        stop.request("SIGTERM")
    with patch("sequencer.shutdown.time.monotonic", return_value=1089.0):
        stop.request("another")
        assert not stop.is_late()
    with patch("sequencer.shutdown.time.monotonic", return_value=1091.0):
        assert stop.is_late()
    assert (stop.requested, stop.reason, stop.wait(3600)) == (True, "SIGTERM", True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_request_a_stop_inside_and_are_restored_outside(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = StopRequest()
    with stopping_on_signals(stop):
        signal.raise_signal(number)
        assert stop.wait(60)
    assert stop.reason == number.name
    assert signal.getsignal(number) is before


def test_process_that_does_not_end_in_time_is_ended_with_the_code_that_starts_it_again() -> None:
    codes: list[int] = []
    ended = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    stop = StopRequest(within_s=0.05)
    with exiting_in_time(stop, end=end):
        stop.request("SIGTERM")
        assert ended.wait(60), "it hangs here"
    assert codes == [75]


@pytest.mark.parametrize("stopped", [False, True])
def test_process_that_ends_in_time_is_left_alone(stopped: bool) -> None:
    codes: list[int] = []
    stop = StopRequest(within_s=3600)
    with exiting_in_time(stop, end=codes.append):
        if stopped:
            stop.request("SIGTERM")
    wait_until(lambda: not any(each.name == "end" for each in threading.enumerate()), what="it is over", deadline_s=30)
    assert codes == []


def test_last_checkpoint_of_a_job_under_way_has_its_time() -> None:
    stop = StopRequest(within_s=90)
    stop.grace_s = 20
    with patch("sequencer.shutdown.time.monotonic", return_value=1000.0):
        stop.request("SIGTERM")
        assert stop.remaining_s == 110
