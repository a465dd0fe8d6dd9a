"""Injectable UTC clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class IncreasingClock:
    """A clock that returns no time twice, even if the underlying clock stops or is set back (event loop only).

    It covers one process; the database keeps the uploads of several processes apart.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the current time, or the microsecond after the last returned time if that is later."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last
