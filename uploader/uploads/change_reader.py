"""One look after the other at what has changed, for all who listen in a process."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.api import UploadSummary
from uploader.store.changes import ChangeStore
from uploader.uploads.responses import summary_of

_OVERLAP_US = 10_000_000
"""How far a look goes back before the last one: a transaction writes its time before it ends."""
_SETTLED_US = 1_000_000
"""How old a change must be to be known: SQLite's clock has milliseconds, in which a second change may follow."""


@dataclass(frozen=True)
class Changes:
    """What a look has found."""

    uploads: list[UploadSummary]
    is_cut: bool = False
    """Whether there may be more, so that the state of everything has to be asked for."""


@dataclass(frozen=True)
class _Known:
    changed_us: int
    is_settled: bool
    summary: UploadSummary


class ChangeReader:
    """Finds the uploads that have changed since the look before. Calls block; one at a time."""

    def __init__(self, store: ChangeStore) -> None:
        self._store = store
        self._since_us = store.read_clock()
        self._known: dict[str, _Known] = {}
        self.look()  # what has changed before now is no news

    def look(self) -> Changes:
        """Return the uploads that have changed since the last call, or since this reader was made."""
        found = self._store.find_since(self._since_us - _OVERLAP_US)
        before = self._known
        new = [upload_id for upload_id, at in found.changed_us.items() if not _is_known(before.get(upload_id), at)]
        self._known = {upload_id: before[upload_id] for upload_id in found.changed_us if upload_id in before}
        changed = []
        for overview, counts in self._store.read(new) if new else ():
            summary, at = summary_of(overview, counts), found.changed_us[overview.upload_id]
            is_settled = at < found.now_us - _SETTLED_US
            self._known[overview.upload_id] = _Known(at, is_settled, summary)
            if overview.upload_id not in before or before[overview.upload_id].summary != summary:
                changed.append(summary)
        self._since_us = found.now_us
        return Changes(changed, is_cut=found.is_cut)


def _is_known(known: _Known | None, changed_us: int) -> bool:
    return known is not None and known.is_settled and known.changed_us == changed_us
