"""Which uploads have changed, by the clock of the database (see ADR 61)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, select

from contracts.states import ChunkState
from uploader.domain.records import UploadOverview
from uploader.store.database_clock import database_now_us
from uploader.store.engine import reading
from uploader.store.rows import OVERVIEW_COLUMNS, id_batches, overview_of
from uploader.store.tables import uploads
from uploader.store.uploads import count_chunks

MOST_CHANGED = 1_000
"""Most uploads that one look returns: the newest changes."""


@dataclass(frozen=True, kw_only=True)
class ChangedUploads:
    """The uploads that a look has found, at the time ``now_us`` of the database."""

    now_us: int
    changed_us: dict[str, int]
    """When each was last written, by id; at most :data:`MOST_CHANGED`."""

    @property
    def is_cut(self) -> bool:
        """Whether there may be more."""
        return len(self.changed_us) >= MOST_CHANGED


class ChangeStore:
    """Uploads by the time of their last change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_clock(self) -> int:
        """Return the time of the database in microseconds since 1970."""
        with reading(self._engine) as connection:
            return connection.execute(select(database_now_us())).scalar_one()

    def find_since(self, since_us: int) -> ChangedUploads:
        """Return the uploads that were written at or after ``since_us``."""
        newest = (
            select(uploads.c.upload_id, uploads.c.changed_us)
            .where(uploads.c.changed_us >= since_us)
            .order_by(uploads.c.changed_us.desc())
            .limit(MOST_CHANGED)
        )
        with reading(self._engine) as connection:
            now_us = connection.execute(select(database_now_us())).scalar_one()
            found = connection.execute(newest).all()
        return ChangedUploads(now_us=now_us, changed_us={row.upload_id: row.changed_us for row in found})

    def read(self, upload_ids: Collection[str]) -> list[tuple[UploadOverview, dict[ChunkState, int]]]:
        """Return uploads, each with its number of chunks by state."""
        found: list[tuple[UploadOverview, dict[ChunkState, int]]] = []
        with reading(self._engine) as connection:
            for ids in id_batches(sorted(upload_ids)):
                rows = connection.execute(select(*OVERVIEW_COLUMNS).where(uploads.c.upload_id.in_(ids)))
                counts = count_chunks(connection, ids)
                found += [(upload, counts.get(upload.upload_id, {})) for upload in map(overview_of, rows)]
        return found
