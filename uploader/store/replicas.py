"""Replicas in the database: their disks, their addresses, and the uploads that they store."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine, and_, delete, insert, or_, select, update

from contracts.states import UploadState
from uploader.domain.records import ReplicaRecord
from uploader.store.constraints import store_or_find
from uploader.store.engine import reading, writing
from uploader.store.rows import id_batches
from uploader.store.tables import replicas, uploads

_UNLANDED = tuple(state.value for state in UploadState if state not in {UploadState.LANDED, UploadState.ABORTED})


class ReplicaStore:
    """Replicas by name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_disk(self, name: str) -> str | None:
        """Return the id of the replica's disk, or None if no replica of this name has started yet."""
        with reading(self._engine) as connection:
            return connection.execute(select(replicas.c.disk_id).where(replicas.c.name == name)).scalar()

    def assign_disk(self, name: str, disk_id: str) -> str:
        """Assign a disk to a replica that has none, and return the disk that it has.

        A name that had the disk before is free again.

        Raises:
            DatabaseConstraintError: the database refuses it for another reason.
        """
        before = and_(replicas.c.disk_id == disk_id, replicas.c.name != name)

        def store() -> None:
            with writing(self._engine) as connection:
                connection.execute(insert(replicas), {"name": name, "disk_id": disk_id})
                connection.execute(delete(replicas).where(before))

        return store_or_find(store, lambda: self.find_disk(name), what=f"replica {name}") or disk_id

    def find(self, name: str) -> ReplicaRecord | None:
        """Return one replica, or None if no replica of this name has started yet."""
        columns = (replicas.c.name, replicas.c.disk_id, replicas.c.base_url, replicas.c.seen_at)
        with reading(self._engine) as connection:
            row = connection.execute(select(*columns).where(replicas.c.name == name)).one_or_none()
        return None if row is None else ReplicaRecord(**row._mapping)

    def check_in(self, name: str, *, base_url: str, at: datetime) -> None:
        """Record that a replica, which has a disk, is running and where it can be reached."""
        with writing(self._engine) as connection:
            this = replicas.c.name == name
            connection.execute(update(replicas).where(this).values(base_url=base_url, seen_at=at))

    def last_check_ins(self, *, replica: str) -> dict[str, datetime]:
        """Return the last check-in of ``replica`` and of each one with uploads that are neither landed nor deleted."""
        has_unlanded = replicas.c.name.in_(select(uploads.c.replica).where(uploads.c.state.in_(_UNLANDED)))
        query = (
            select(replicas.c.name, replicas.c.seen_at)
            .where(replicas.c.seen_at.is_not(None), or_(replicas.c.name == replica, has_unlanded))
            .order_by(replicas.c.name)
        )
        with reading(self._engine) as connection:
            return {row.name: row.seen_at for row in connection.execute(query)}

    def adopt(self, upload_ids: Collection[str], *, replica: str) -> list[str]:
        """Assign those of the uploads that name another replica to ``replica``; return their ids."""
        adopted: list[str] = []
        with writing(self._engine) as connection:
            for ids in id_batches(sorted(upload_ids)):
                others = and_(uploads.c.upload_id.in_(ids), uploads.c.replica != replica)
                adopted += connection.execute(select(uploads.c.upload_id).where(others)).scalars()
                connection.execute(update(uploads).where(others).values(replica=replica))
        return adopted
