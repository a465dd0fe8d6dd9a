"""Moments that lie in the future: the clock has been put back since they were written."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Engine, and_, or_, select, update

from contracts.states import ChunkState
from uploader.domain.transitions import ON_THEIR_WAY, SAFE_IN_BUCKET
from uploader.store.engine import reading, writing
from uploader.store.tables import chunks, uploads

CLOCK_SLACK = timedelta(seconds=5)
"""How far a moment may lie ahead: another process may have read the clock a little later than this one."""
_AHEAD = timedelta(minutes=1)
_MOMENTS = {
    chunks.c.landed_at: SAFE_IN_BUCKET,
    chunks.c.announced_at: ON_THEIR_WAY | {ChunkState.FAILED},
    chunks.c.relayed_at: ON_THEIR_WAY | {ChunkState.FAILED},
}
"""The moments from which something is counted, and in which states that is done."""


def is_over(until: Column[datetime], *, now: datetime, length: timedelta) -> ColumnElement[bool]:
    """Return whether a claim or lease has run out, or ends later than one that is taken now could."""
    return or_(until <= now, until > now + length + CLOCK_SLACK)


class MomentTable:
    """The part of :class:`uploader.store.protocol.Store` that mends moments."""

    def __init__(self, engine: Engine) -> None:
        self._moments_engine = engine

    def void_future_moments(self, *, replica: str, now: datetime) -> int:
        """Let what happened to chunks of ``replica`` in the future have happened ``now``; return how many moments."""
        ours = chunks.c.upload_id.in_(select(uploads.c.upload_id).where(uploads.c.replica == replica))
        voided = 0
        for column, states in _MOMENTS.items():
            of_states = chunks.c.state.in_([state.value for state in states])
            future = and_(of_states, column > now + _AHEAD, ours)
            with reading(self._moments_engine) as connection:
                if connection.execute(select(chunks.c.chunk_id).where(future).limit(1)).first() is None:
                    continue
            with writing(self._moments_engine) as connection:
                voided += connection.execute(update(chunks).where(future).values({column: now})).rowcount
        return voided
