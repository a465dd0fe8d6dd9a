"""Chunk counts and ages of one replica, for its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select

from contracts.states import ChunkState, UploadState
from uploader.domain.transitions import SAFE_IN_BUCKET
from uploader.store.engine import reading
from uploader.store.tables import chunks, uploads

_COUNTED = tuple(state for state in ChunkState if state is not ChunkState.CLEANED)
"""States with a file. Cleaned chunks only ever grow in number, and counting them would take longer and longer."""


@dataclass(frozen=True, kw_only=True)
class ChunkStatistics:
    """The number of chunks on a replica's disk by state (each but ``cleaned``), and the age of the oldest."""

    chunks: dict[ChunkState, int]
    oldest_in_outbox: datetime | None
    """When the oldest upload that has a chunk to announce was chunked."""
    oldest_unlanded: datetime | None
    """Since when the oldest announced chunk has not landed, failed or not: since its announcement, or, if it was
    announced again, since its upload was chunked, because only a chunk's last announcement is stored."""


class StatisticsStore:
    """Statistics over the uploads of one replica."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count_chunks(self, *, replica: str) -> ChunkStatistics:
        """Count the chunks on the disk of ``replica``, except those of deleted uploads."""
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
        return ChunkStatistics(
            chunks={state: rows[state][0] if state in rows else 0 for state in _COUNTED},
            oldest_in_outbox=rows[ChunkState.STORED][1] if ChunkState.STORED in rows else None,
            oldest_unlanded=min((since for since in unlanded if since is not None), default=None),
        )


def _first_sent() -> ColumnElement[datetime | None]:
    """Return a time no later than a chunk's first announcement, or null if there was none or its file is lost.

    If the chunk has counted one announcement, the last one is the first. If it has counted several, the first is not
    stored, and the time of chunking stands in for it. A chunk that waits for another announcement has no announcement
    time, but has counted at least one.
    """
    sent = func.coalesce(chunks.c.announced_at, chunks.c.relayed_at)
    waits_again = and_(chunks.c.state == ChunkState.STORED.value, chunks.c.attempts > 0)
    sent_again = and_(sent.is_not(None), chunks.c.attempts > 1)
    return case((or_(waits_again, sent_again), uploads.c.chunked_at), else_=sent)
