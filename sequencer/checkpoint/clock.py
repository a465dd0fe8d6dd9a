"""The two clocks of a machine: neither may be trusted alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """The wall clock, which may be set, and the monotonic clock, which may stand still while a machine is suspended."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def both(self) -> tuple[float, float]:
        """Return both times, in seconds."""
        return self.wall(), self.monotonic()
