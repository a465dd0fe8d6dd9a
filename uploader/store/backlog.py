"""The work of a replica's background tasks: overdue chunks, files to remove, uploads that have not landed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, and_, func, or_, select, update

from contracts.states import ChunkState, UploadState
from uploader.domain.records import ChunkRecord, UploadOverview
from uploader.domain.transitions import ON_THEIR_WAY, SAFE_IN_BUCKET
from uploader.store.engine import reading, writing
from uploader.store.rows import CHUNK_COLUMNS, OVERVIEW_COLUMNS, chunk_of, overview_of
from uploader.store.tables import chunks, uploads

_FUTURE_AFTER = timedelta(minutes=1)
_TIMESTAMPS = {
    chunks.c.landed_at: SAFE_IN_BUCKET,
    chunks.c.announced_at: ON_THEIR_WAY | {ChunkState.FAILED},
    chunks.c.relayed_at: ON_THEIR_WAY | {ChunkState.FAILED},
}
"""The timestamps from which a timeout counts, and the states in which it does."""


class Backlog:
    """Queries over the uploads of one replica."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def overdue(self, *, replica: str, before: datetime, reannounce_limit: int, limit: int) -> dict[str, list[int]]:
        """Return the ids of chunks, by upload, that were announced or relayed ``before`` and have not landed.

        Failed chunks count if they were announced again at most ``reannounce_limit`` times. Uploads of which a chunk
        has landed since are left out: they are slow, and announcing them again would make them slower.
        """
        on_their_way = chunks.c.state.in_([state.value for state in ON_THEIR_WAY])
        may_be_sent_again = and_(chunks.c.state == ChunkState.FAILED.value, chunks.c.attempts <= reannounce_limit)
        landings = chunks.alias()
        landing = (
            select(landings.c.upload_id)
            .where(landings.c.state.in_([state.value for state in SAFE_IN_BUCKET]))
            .where(landings.c.landed_at >= before)
        )
        query = (
            select(chunks.c.upload_id, chunks.c.chunk_id)
            .join(uploads)
            .where(uploads.c.replica == replica, uploads.c.state != UploadState.ABORTED.value)
            .where(or_(on_their_way, may_be_sent_again))
            .where(uploads.c.upload_id.not_in(landing))
            .where(func.coalesce(chunks.c.relayed_at, chunks.c.announced_at) < before)
            .order_by(chunks.c.upload_id, chunks.c.chunk_id)
            .limit(limit)
        )
        found: dict[str, list[int]] = {}
        with reading(self._engine) as connection:
            for upload_id, chunk_id in connection.execute(query):
                found.setdefault(upload_id, []).append(chunk_id)
        return found

    def landed(self, *, replica: str, before: datetime | None, limit: int) -> list[ChunkRecord]:
        """Return chunks whose files may be removed, in the order of their landing; ``before`` None means all."""
        query = (
            select(*CHUNK_COLUMNS)
            .join(uploads)
            .where(uploads.c.replica == replica, uploads.c.state != UploadState.ABORTED.value)
            .where(chunks.c.state == ChunkState.LANDED.value)
            .order_by(chunks.c.landed_at, chunks.c.upload_id, chunks.c.chunk_id)
            .limit(limit)
        )
        if before is not None:
            query = query.where(chunks.c.landed_at <= before)
        with reading(self._engine) as connection:
            return [chunk_of(row) for row in connection.execute(query)]

    def unlanded(self, *, replica: str) -> list[UploadOverview]:
        """Return the uploads of ``replica`` that are neither landed nor deleted, the oldest first."""
        done = [UploadState.LANDED.value, UploadState.ABORTED.value]
        query = select(*OVERVIEW_COLUMNS).where(uploads.c.replica == replica, uploads.c.state.not_in(done))
        with reading(self._engine) as connection:
            return [overview_of(row) for row in connection.execute(query.order_by(uploads.c.created_at))]

    def reset_future_timestamps(self, *, replica: str, now: datetime) -> int:
        """Set timestamps of the chunks of ``replica`` that are in the future to ``now``; return how many there were.

        They come from before the clock was set back. Until it reaches them again, no chunk would be announced again or
        cleaned up.
        """
        ours = chunks.c.upload_id.in_(select(uploads.c.upload_id).where(uploads.c.replica == replica))
        reset = 0
        for column, states in _TIMESTAMPS.items():
            of_states = chunks.c.state.in_([state.value for state in states])
            future = and_(of_states, column > now + _FUTURE_AFTER, ours)
            with reading(self._engine) as connection:
                if connection.execute(select(chunks.c.chunk_id).where(future).limit(1)).first() is None:
                    continue
            with writing(self._engine) as connection:
                reset += connection.execute(update(chunks).where(future).values({column: now})).rowcount
        return reset
