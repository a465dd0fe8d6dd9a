"""Numbers over all uploads of a replica, for its metrics."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select

from contracts.states import ChunkState, UploadState
from uploader.domain.transitions import SAFE_IN_BUCKET
from uploader.store.engine import reading
from uploader.store.protocol import UploadStatistics
from uploader.store.tables import chunks, uploads

_COUNTED = tuple(state for state in ChunkState if state is not ChunkState.CLEANED)
"""Those that have a file: what was cleaned up grows for ever, and counting it would take longer and longer."""


class StatisticsTable:
    """The part of :class:`uploader.store.protocol.Store` that counts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tally(self, *, replica: str) -> UploadStatistics:
        """Count the chunks on the disk of ``replica``."""
        query = (
            select(chunks.c.state, func.count(), func.min(uploads.c.chunked_at), func.min(_first_sent()))
            .join(uploads)
            .where(chunks.c.state.in_([state.value for state in _COUNTED]))
            .where(uploads.c.replica == replica, uploads.c.state != UploadState.ABORTED.value)
            .group_by(chunks.c.state)
        )
        with reading(self._engine) as connection:
            rows = {ChunkState(state): facts for state, *facts in connection.execute(query)}
        unlanded = [facts[2] for state, facts in rows.items() if state not in SAFE_IN_BUCKET]
        return UploadStatistics(
            chunks={state: rows[state][0] if state in rows else 0 for state in _COUNTED},
            oldest_in_outbox=rows[ChunkState.STORED][1] if ChunkState.STORED in rows else None,
            oldest_unlanded=min((moment for moment in unlanded if moment is not None), default=None),
        )


def _first_sent() -> ColumnElement[datetime | None]:
    """Return when a chunk was announced first, or before that; null where it never was, or its file is lost.

    Its last announcement is the first, or else it has counted several: then it is the moment of the cut, as the first
    was noted nowhere else. One that waits for its next announcement has none at present, and has counted one.
    """
    sent = func.coalesce(chunks.c.announced_at, chunks.c.relayed_at)
    waits_again = and_(chunks.c.state == ChunkState.STORED.value, chunks.c.attempts > 0)
    sent_again = and_(sent.is_not(None), chunks.c.attempts > 1)
    return case((or_(waits_again, sent_again), uploads.c.chunked_at), else_=sent)
