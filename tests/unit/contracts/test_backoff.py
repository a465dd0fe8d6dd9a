from __future__ import annotations

from contracts.backoff import Backoff


def test_wait_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.5, longest_s=10.0)
    assert [backoff.wait_s(failures) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]


def test_wait_stays_finite_after_many_failures() -> None:
    assert Backoff(first_s=0.5, longest_s=30.0).wait_s(10**9) == 30.0
