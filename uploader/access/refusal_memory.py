"""Which refusals wait for a record, and which were recorded within the last minute. Its size is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from contracts.audit import AuditAction
from contracts.number_text import counted
from uploader.access.audit import Actor, AuditEvent
from uploader.access.principal import Principal

INTERVAL_S = 60.0
"""At most one record in this time for each key or address and each reason."""
MAX_ADDRESSES = 100
MAX_KEYS = 1_000
OTHERS = AuditEvent(
    action=AuditAction.REFUSE,
    outcome="others",
    actor=Actor(Principal(key_id=None, name="others", permissions=frozenset(), datasets=()), address=""),
    detail="clients and reasons that are too many for a record of each",
)


@dataclass
class _Entry:
    """Refusals of one actor for one reason."""

    event: AuditEvent
    """The first one that no record tells of yet, or the last one that has a record."""
    waiting: int = 0
    """Number of refusals that no record tells of yet."""
    recorded_at: float | None = None

    def is_due(self, now: float) -> bool:
        return self.waiting > 0 and not self._is_recent(now)

    def is_old(self, now: float) -> bool:
        return self.waiting == 0 and not self._is_recent(now)

    def _is_recent(self, now: float) -> bool:
        return self.recorded_at is not None and now - self.recorded_at < INTERVAL_S


@dataclass(frozen=True)
class DueRefusals:
    """Refusals that one record can tell of."""

    event: AuditEvent
    """The first of them, with the number of the others in its detail."""
    count: int
    entry: _Entry = field(repr=False)
    recorded_before: float | None


class RefusalMemory:
    """Counts refusals, in any thread. ``now`` is the time of a monotonic clock in seconds.

    Who has a valid key is counted by key, anyone else by address; the reason is the outcome of the event. If there are
    too many addresses, as in a flood, those beyond the first are counted together. They leave the keys their place.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, str], _Entry] = {}
        self._addresses: dict[tuple[str, str], _Entry] = {}
        self._others = _Entry(OTHERS)

    def add(self, event: AuditEvent, *, now: float) -> bool:
        """Count a refusal; return whether there is now one more record to be written."""
        with self._lock:
            entry = self._find(event, now=now)
            was_due = entry.is_due(now)
            if entry.waiting == 0 and entry is not self._others:
                entry.event = event
            entry.waiting += 1
            return entry.is_due(now) and not was_due

    def take(self, *, now: float) -> list[DueRefusals]:
        """Return what is to be recorded now, and count it as recorded."""
        taken = []
        with self._lock:
            for entry in (*self._keys.values(), *self._addresses.values(), self._others):
                if entry.is_due(now):
                    taken.append(DueRefusals(_with_count(entry), entry.waiting, entry, entry.recorded_at))
                    entry.waiting, entry.recorded_at = 0, now
        return taken

    def put_back(self, taken: Iterable[DueRefusals], *, at_once: bool) -> None:
        """Count refusals as not recorded after all; they are due again ``at_once``, or after a minute."""
        with self._lock:
            for each in taken:
                each.entry.waiting += each.count
                if at_once:
                    each.entry.recorded_at = each.recorded_before

    def _find(self, event: AuditEvent, *, now: float) -> _Entry:
        key_id = event.actor.principal.key_id
        entries, limit = (self._addresses, MAX_ADDRESSES) if key_id is None else (self._keys, MAX_KEYS)
        place = (event.actor.address if key_id is None else key_id, event.outcome)
        if place not in entries:
            if len(entries) >= limit:
                for old in [each for each, entry in entries.items() if entry.is_old(now)]:
                    del entries[old]
            if len(entries) >= limit:
                return self._others
            entries[place] = _Entry(event)
        return entries[place]


def _with_count(entry: _Entry) -> AuditEvent:
    if entry.event is OTHERS:
        return replace(OTHERS, detail=f"{counted(entry.waiting, 'refusal')} of {OTHERS.detail}")
    more = entry.waiting - 1
    return replace(entry.event, detail=f"{entry.event.detail}; {more:,} more since") if more else entry.event
