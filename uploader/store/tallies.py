"""Numbers over all uploads of a replica, for its metrics."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from contracts.states import ChunkState, UploadState
from uploader.store.engine import reading
from uploader.store.protocol import Tally
from uploader.store.tables import chunks, uploads
from uploader.transitions import ON_THEIR_WAY

_COUNTED = tuple(state for state in ChunkState if state is not ChunkState.CLEANED)
"""Those that have a file: what was cleaned up grows for ever, and counting it would take longer and longer."""


class TallyTable:
    """The part of :class:`uploader.store.protocol.Store` that counts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tally(self, *, holder: str) -> Tally:
        """Count the chunks on the disk of ``holder``."""
        query = (
            select(chunks.c.state, func.count(), func.min(uploads.c.chunked_at), func.min(chunks.c.announced_at))
            .join(uploads)
            .where(chunks.c.state.in_([state.value for state in _COUNTED]))
            .where(uploads.c.holder == holder, uploads.c.state != UploadState.ABORTED.value)
            .group_by(chunks.c.state)
        )
        with reading(self._engine) as connection:
            rows = {ChunkState(state): facts for state, *facts in connection.execute(query)}
        announced = [rows[state][2] for state in ON_THEIR_WAY if state in rows]
        return Tally(
            chunks={state: rows[state][0] if state in rows else 0 for state in _COUNTED},
            oldest_in_outbox=rows[ChunkState.STORED][1] if ChunkState.STORED in rows else None,
            oldest_on_its_way=min((moment for moment in announced if moment is not None), default=None),
        )
