"""Polling for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_until(
    condition: Callable[[], _T | None],
    *,
    what: str,
    deadline_s: float,
    poll_s: float = 0.25,
    explain: Callable[[], str] = lambda: "",
) -> _T:
    """Return the first true result of ``condition``, which is asked at least once after the deadline.

    Raises:
        AssertionError: the deadline passed; the text holds the last answer and what ``explain`` has to say.
    """
    end = time.monotonic() + deadline_s
    while True:
        is_last = time.monotonic() >= end  # before it is asked: this process may stand still at any point
        answer = condition()
        if answer:
            return answer
        if is_last:
            raise AssertionError(f"not within {deadline_s:.0f} s: {what} (last: {answer!r})\n{explain()}")
        time.sleep(poll_s)
