"""Exponential backoff between retries."""

from __future__ import annotations

from dataclasses import dataclass

_MAX_STEPS = 1_000
"""Past this many failures the wait no longer grows; a float overflows at 1,024 doublings."""


@dataclass(frozen=True)
class Backoff:
    """Wait times that grow by ``factor`` from ``first_s`` up to ``longest_s``, both in seconds. There is no jitter."""

    first_s: float
    longest_s: float
    factor: float = 2.0

    def wait_s(self, failures: int) -> float:
        """Return the seconds to wait after ``failures`` consecutive failures (1 or more)."""
        return min(self.first_s * self.factor ** min(failures - 1, _MAX_STEPS), self.longest_s)
