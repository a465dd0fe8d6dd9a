"""Audit records of refused requests, written in the background: a flood or a slow database delays no response."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from uploader.access.audit import AuditEvent
from uploader.access.refusal_memory import INTERVAL_S, DueRefusals, RefusalMemory
from uploader.runtime.clock import utc_now
from uploader.store.store import Store

_AT_ONCE = 20
"""Records in one transaction, which keeps the other workers of the replica from writing theirs."""


class RefusalRecorder:
    """Writes at most one record a minute for each key or address and each reason, with the number of refusals.

    Refusals of the last seconds are lost if the process is killed.
    """

    def __init__(self, *, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._memory = RefusalMemory()
        self._wake: Callable[[], None] = lambda: None

    def on_due(self, wake: Callable[[], None]) -> None:
        """Call ``wake``, from any thread, when there is something to write."""
        self._wake = wake

    def note(self, event: AuditEvent) -> None:
        """Take note of a refusal. Does not block."""
        if self._memory.add(event, now=self._monotonic()):
            self._wake()

    def run_pass(self) -> bool:
        """Write what is due (blocks).

        Raises:
            ManifestUnavailableError: the database does not answer; what is due is written later.
        """
        due = self._memory.take(now=self._monotonic())
        for start in range(0, len(due), _AT_ONCE):
            try:
                self._write(due[start : start + _AT_ONCE])
            except BaseException:
                self._memory.put_back(due[start:], at_once=True)
                raise
        return True

    def _write(self, due: Sequence[DueRefusals]) -> None:
        since = utc_now() - timedelta(seconds=INTERVAL_S)
        left = self._store.audit.record_refusals([each.event for each in due], since=since)
        self._memory.put_back([each for each in due if each.event in left], at_once=False)
