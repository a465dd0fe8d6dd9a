"""Polling by the tests' own helper, on a machine that stands still now and then."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support.waiting import wait_until


def test_condition_that_came_true_while_the_process_stood_still_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0], sleep=lambda _: None)
    monkeypatch.setattr("tests.support.waiting.time", clock)

    def true_after_a_minute() -> bool:
        answer = now_s[0] >= 60
        now_s[0] += 60  # between the answer and the next look at the clock
        return answer

    assert wait_until(true_after_a_minute, what="a minute is over", deadline_s=30, poll_s=0)


def test_condition_that_never_comes_true_is_told() -> None:
    with pytest.raises(AssertionError, match=r"the moon is blue \(last: 0\)\nit is grey"):
        wait_until(lambda: 0, what="the moon is blue", deadline_s=0, explain=lambda: "it is grey")
