"""Chunks in the database: reading them, and changing their states together with their upload's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, select, update

from contracts.audit import AuditAction
from contracts.states import ChunkState, UploadState
from uploader.access.audit import SYSTEM, Actor
from uploader.access.dataset_patterns import ALL_DATASETS
from uploader.domain.records import ChunkRecord, UploadOverview
from uploader.domain.transitions import summarised
from uploader.errors import ChunkNotFoundError, UploadGoneError
from uploader.store.audit import AuditStore
from uploader.store.database_clock import database_now_us
from uploader.store.engine import reading, writing
from uploader.store.rows import CHUNK_COLUMNS, changes, chunk_of, id_batches
from uploader.store.tables import chunks
from uploader.store.uploads import count_chunks, event_of, lock_upload, read_upload, write_upload

ChunkEdit = Callable[[ChunkRecord], ChunkRecord]
"""Returns the changed chunk, or the same one; an exception that it raises rolls the transaction back."""
_FINAL = {UploadState.LANDED: AuditAction.LAND, UploadState.FAILED: AuditAction.FAIL}
"""The states of an upload that are recorded when they are reached."""


class ChunkStore:
    """The chunks of uploads."""

    def __init__(self, engine: Engine, audit: AuditStore) -> None:
        self._engine = engine
        self._audit = audit

    def read(
        self, upload_id: str, *, datasets: Collection[str] = (ALL_DATASETS,)
    ) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Return an upload and its chunks in order, from one snapshot.

        Raises:
            UploadNotFoundError: there is no upload with this id in ``datasets`` (patterns).
        """
        with reading(self._engine) as connection:
            return read_upload(connection, upload_id, datasets=datasets), _read_chunks(connection, upload_id, None)

    def read_one(
        self, upload_id: str, chunk_id: int, *, datasets: Collection[str] = (ALL_DATASETS,)
    ) -> tuple[UploadOverview, ChunkRecord]:
        """Return one chunk and its upload.

        Raises:
            UploadNotFoundError: there is no upload with this id in ``datasets`` (patterns).
            ChunkNotFoundError: it has no such chunk.
        """
        with reading(self._engine) as connection:
            upload = read_upload(connection, upload_id, datasets=datasets)
            return upload, _read_chunks(connection, upload_id, [chunk_id])[0]

    def edit(
        self,
        upload_id: str,
        chunk_ids: Collection[int] | None,
        edit: ChunkEdit,
        *,
        at: datetime,
        actor: Actor = SYSTEM,
        action: AuditAction | None = None,
        datasets: Collection[str] = (ALL_DATASETS,),
    ) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Apply ``edit`` to the chunks, or to all if ``chunk_ids`` is None, and update the upload's state.

        The upload is locked meanwhile. Returns the upload and the selected chunks after the change. There is an audit
        record of ``action``, changes or not, and one if the upload has landed or failed with this change.

        Raises:
            UploadNotFoundError: there is no upload with this id in ``datasets`` (patterns).
            ChunkNotFoundError: it has no such chunk.
            UploadGoneError: it was deleted.
            IllegalStateChangeError: the table of states does not allow a change.
        """
        with writing(self._engine) as connection:
            upload = lock_upload(connection, upload_id, datasets=datasets)
            if upload.state is UploadState.ABORTED:
                raise UploadGoneError(f"upload {upload_id} was deleted at {upload.aborted_at}", upload_id=upload_id)
            before = _read_chunks(connection, upload_id, chunk_ids)
            after = [edit(chunk) for chunk in before]
            changed = upload
            if before != after:
                for old, new in zip(before, after, strict=True):
                    _write_chunk(connection, old, new)
                changed = _summarise(connection, upload, at=at)
            if action is not None:
                self._audit.append(connection, event_of(upload, action, actor))
            if changed.state is not upload.state and changed.state in _FINAL:
                final = event_of(upload, _FINAL[changed.state], actor, detail=changed.error or "")
                self._audit.append(connection, final)
            return changed, after


def _read_chunks(connection: Connection, upload_id: str, chunk_ids: Collection[int] | None) -> list[ChunkRecord]:
    query = select(*CHUNK_COLUMNS).where(chunks.c.upload_id == upload_id).order_by(chunks.c.chunk_id)
    if chunk_ids is None:
        return [chunk_of(row) for row in connection.execute(query)]
    found = [
        chunk_of(row)
        for ids in id_batches(sorted(set(chunk_ids)))
        for row in connection.execute(query.where(chunks.c.chunk_id.in_(ids)))
    ]
    missing = set(chunk_ids) - {chunk.chunk_id for chunk in found}
    if missing:
        raise ChunkNotFoundError(f"upload {upload_id} has no chunk {min(missing)}", upload_id=upload_id)
    return found


def _summarise(connection: Connection, upload: UploadOverview, *, at: datetime) -> UploadOverview:
    counts = count_chunks(connection, [upload.upload_id])[upload.upload_id]
    first_error = None
    if counts.get(ChunkState.FAILED):
        failures = and_(chunks.c.upload_id == upload.upload_id, chunks.c.state == ChunkState.FAILED.value)
        query = select(chunks.c.chunk_id, chunks.c.error).where(failures).order_by(chunks.c.chunk_id).limit(1)
        chunk_id, error = connection.execute(query).one()
        first_error = f"chunk {chunk_id}: {error}"
    after = summarised(upload, counts, first_error=first_error, at=at)
    # Nothing is left to announce: release the claim too, so that a repeated announcement need not wait for its end.
    unclaimed = {} if after.state is UploadState.CHUNKED else {"claimed_until": None}
    # Written in any case: a change of a chunk is one of its upload.
    write_upload(connection, upload, after, others={"changed_us": database_now_us(), **unclaimed})
    return after


def _write_chunk(connection: Connection, old: ChunkRecord, new: ChunkRecord) -> None:
    values = changes(old, new)
    if values:
        this = and_(chunks.c.upload_id == old.upload_id, chunks.c.chunk_id == old.chunk_id)
        connection.execute(update(chunks).where(this).values(values))
