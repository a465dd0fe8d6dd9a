"""The time of day, as services are given it; tests hand them another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


class DistinctMoments:
    """A clock that gives no moment twice, also where the one behind it stands still or is put back (event loop only).

    For one process: what several do at once, the database keeps apart.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the present moment, or the microsecond after the last one that was given."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last
