"""How often a key may upload, and how many uploads it may have at once.

The rate is a generic cell rate algorithm (GCRA). A key has ``per_minute`` units, and each upload uses one. A used unit
comes back after ``interval_us``, one unit after the other. So a key may start ``per_minute`` uploads at once, and then
one in every interval. All that has to be stored is when the last unit is back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW_S = 60
WINDOW_US = WINDOW_S * 1_000_000


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """The limits of one key; 0 for no limit."""

    per_minute: int
    at_once: int

    @property
    def are_unlimited(self) -> bool:
        """Return whether there is nothing to count."""
        return not self.per_minute and not self.at_once

    @property
    def interval_us(self) -> int:
        """Microseconds after which one unit is back; 0 if the rate is not limited."""
        return WINDOW_US // self.per_minute if self.per_minute else 0


@dataclass(frozen=True, kw_only=True)
class UploadUsage:
    """What a key has used of its limits.

    ``backlog_us`` is the time in microseconds until all units are back; ``running`` counts the uploads of the key.
    """

    limits: UploadLimits
    backlog_us: int
    running: int

    @property
    def available(self) -> int:
        """How many uploads the key may start now, by its rate."""
        interval_us = self.limits.interval_us
        units = self.limits.per_minute - -(-self.backlog_us // interval_us) if interval_us else 0
        return min(max(units, 0), self.limits.per_minute)

    @property
    def next_unit_s(self) -> int:
        """Whole seconds until one more unit is available; 0 if all are."""
        if self.available == self.limits.per_minute:
            return 0
        missing = self.limits.per_minute - self.available - 1
        return math.ceil((self.backlog_us - missing * self.limits.interval_us) / 1_000_000)

    @property
    def free_slots(self) -> int:
        """How many uploads the key may start now, by the number of those that run."""
        return max(0, self.limits.at_once - self.running)
