"""The wish to stop is taken once, and says until when draining may take."""

from __future__ import annotations

import signal
from unittest.mock import patch

import pytest

from sequencer.stopping import StopRequest, stopped_by_signals


def test_first_wish_counts_and_begins_the_time_for_draining() -> None:
    stop = StopRequest(within_s=90)
    assert (stop.requested, stop.is_late(), stop.wait(0)) == (False, False, False)
    with patch("sequencer.stopping.time.monotonic", return_value=1000.0):
        stop.request("SIGTERM")
    with patch("sequencer.stopping.time.monotonic", return_value=1089.0):
        stop.request("another")
        assert not stop.is_late()
    with patch("sequencer.stopping.time.monotonic", return_value=1091.0):
        assert stop.is_late()
    assert (stop.requested, stop.reason, stop.wait(3600)) == (True, "SIGTERM", True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_is_a_wish_inside_and_what_it_was_before_outside(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = StopRequest()
    with stopped_by_signals(stop):
        signal.raise_signal(number)
        assert stop.wait(60)
    assert stop.reason == number.name
    assert signal.getsignal(number) is before
