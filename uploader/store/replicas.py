"""Replicas: rows that say which disk belongs to which name, and where the replica can be reached."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from contracts.states import UploadState
from uploader.domain.records import ReplicaRecord
from uploader.store.engine import reading, writing
from uploader.store.tables import replicas, uploads

_UNLANDED = tuple(state.value for state in UploadState if state not in {UploadState.LANDED, UploadState.ABORTED})


class ReplicaTable:
    """Replicas in a table."""

    def __init__(self, engine: Engine) -> None:
        self._replicas_engine = engine

    def find_disk(self, replica: str) -> str | None:
        """Return the id of the disk that belongs to ``replica``; None where no such replica has started yet."""
        with reading(self._replicas_engine) as connection:
            return connection.execute(select(replicas.c.disk_id).where(replicas.c.name == replica)).scalar()

    def assign_disk(self, replica: str, disk_id: str) -> str:
        """Make a disk that of ``replica``, unless it has one, and return which it has; a name it had before is free."""
        before = and_(replicas.c.disk_id == disk_id, replicas.c.name != replica)
        try:
            with writing(self._replicas_engine) as connection:
                connection.execute(insert(replicas), {"name": replica, "disk_id": disk_id})
                connection.execute(delete(replicas).where(before))
        except IntegrityError:
            return self.find_disk(replica) or disk_id
        return disk_id

    def find_replica(self, replica: str) -> ReplicaRecord | None:
        """Return one replica; None where none of this name has started yet."""
        columns = (replicas.c.name, replicas.c.disk_id, replicas.c.base_url, replicas.c.seen_at)
        with reading(self._replicas_engine) as connection:
            row = connection.execute(select(*columns).where(replicas.c.name == replica)).one_or_none()
        return None if row is None else ReplicaRecord(**row._mapping)

    def check_in(self, replica: str, *, base_url: str, at: datetime) -> None:
        """Note that ``replica``, which has a disk, lives and where it can be reached."""
        with writing(self._replicas_engine) as connection:
            ours = replicas.c.name == replica
            connection.execute(update(replicas).where(ours).values(base_url=base_url, seen_at=at))

    def watched_replicas(self, *, replica: str) -> dict[str, datetime]:
        """Return when replicas checked in last: ``replica``, and each that has uploads neither landed nor deleted."""
        has_unlanded = replicas.c.name.in_(select(uploads.c.replica).where(uploads.c.state.in_(_UNLANDED)))
        query = (
            select(replicas.c.name, replicas.c.seen_at)
            .where(replicas.c.seen_at.is_not(None), or_(replicas.c.name == replica, has_unlanded))
            .order_by(replicas.c.name)
        )
        with reading(self._replicas_engine) as connection:
            return {row.name: row.seen_at for row in connection.execute(query)}
