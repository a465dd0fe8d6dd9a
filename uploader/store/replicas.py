"""Replicas: rows that say which disk belongs to which name."""

from __future__ import annotations

from sqlalchemy import Engine, and_, delete, insert, select
from sqlalchemy.exc import IntegrityError

from uploader.store.engine import reading, writing
from uploader.store.tables import replicas


class ReplicaTable:
    """Replicas in a table."""

    def __init__(self, engine: Engine) -> None:
        self._replicas_engine = engine

    def find_disk(self, holder: str) -> str | None:
        """Return the id of the disk that belongs to ``holder``; None where no such replica has started yet."""
        with reading(self._replicas_engine) as connection:
            return connection.execute(select(replicas.c.disk_id).where(replicas.c.holder == holder)).scalar()

    def assign_disk(self, holder: str, disk_id: str) -> str:
        """Make a disk that of ``holder``, unless it has one, and return which it has; a name it had before is free."""
        before = and_(replicas.c.disk_id == disk_id, replicas.c.holder != holder)
        try:
            with writing(self._replicas_engine) as connection:
                connection.execute(insert(replicas), {"holder": holder, "disk_id": disk_id})
                connection.execute(delete(replicas).where(before))
        except IntegrityError:
            return self.find_disk(holder) or disk_id
        return disk_id
