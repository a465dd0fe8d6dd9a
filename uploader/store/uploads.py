"""Uploads in the database: creating, finding, listing and aborting them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, or_, select, update

from contracts.audit import AuditAction
from contracts.number_text import counted
from contracts.states import ChunkState, UploadState, check_upload_change
from uploader.access.audit import SYSTEM, Actor, AuditEvent
from uploader.access.dataset_patterns import ALL_DATASETS
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.transitions import ON_THEIR_WAY
from uploader.errors import UploadInProgressError, UploadNotFoundError
from uploader.store.audit import AuditStore
from uploader.store.claims import Claim
from uploader.store.constraints import store_or_find
from uploader.store.database_guard import DatabaseGuard
from uploader.store.dataset_filter import in_datasets
from uploader.store.engine import read_database_id, reading, writing
from uploader.store.rows import (
    OVERVIEW_COLUMNS,
    UPLOAD_COLUMNS,
    changes,
    id_batches,
    overview_of,
    upload_of,
    values_of,
)
from uploader.store.tables import chunks, uploads


class TimestampCollisionError(Exception):
    """Another upload of the dataset has the same ``created_at``, so the chunks of both would have the same names."""


@dataclass(frozen=True, kw_only=True)
class UploadQuery:
    """Which uploads to list: the newest first, starting after the position ``(created_at, upload_id)``."""

    limit: int
    after: tuple[datetime, str] | None = None
    dataset_name: str | None = None
    state: UploadState | None = None
    datasets: Collection[str] = (ALL_DATASETS,)
    """Patterns of the datasets that the asker may see."""


class RestoreOutcome(StrEnum):
    """The result of storing an upload from its manifest file."""

    STORED = "stored"
    WITHOUT_KEY = "without_key"
    """Stored without its idempotency key, which belongs to another upload now."""
    KNOWN = "known"
    """The upload was in the database already and is unchanged."""


class UploadStore:
    """Uploads, without what happens to their chunks (see :class:`uploader.store.chunks.ChunkStore`)."""

    def __init__(self, engine: Engine, guard: DatabaseGuard, audit: AuditStore) -> None:
        self._engine = engine
        self._guard = guard
        self._audit = audit

    def create(
        self,
        upload: UploadRecord,
        records: Sequence[ChunkRecord],
        *,
        claim: Claim,
        claim_for: timedelta,
        actor: Actor = SYSTEM,
    ) -> UploadRecord | None:
        """Store an upload with all its chunks, already claimed, or return its owner's upload with its idempotency key.

        Raises:
            TimestampCollisionError: another upload of the dataset has the same ``created_at``.
            DatabaseConstraintError: the database refuses the upload for another reason.
        """
        claimed = {"claim_owner": claim.owner, "claimed_until": upload.chunked_at + claim_for}

        def store() -> None:
            with writing(self._engine) as connection:
                self._guard.check_id(read_database_id(connection))
                _insert(connection, {**values_of(upload), **claimed}, records)
                self._audit.append(connection, _acceptance_of(upload, actor))

        def find_first() -> UploadRecord | None:
            first = None if upload.idempotency_key is None else self._find(_same_key(upload))
            is_known = first is not None or self.find(upload.upload_id) is not None
            if not is_known and self._is_taken(upload.dataset_name, upload.created_at):
                raise _collision(upload) from None
            return first

        first = store_or_find(store, find_first, what=f"upload {upload.upload_id}")
        if first is None:
            self._guard.check()  # if the file disappeared during the commit, the upload went with it
        return first

    def restore(self, upload: UploadRecord, records: Sequence[ChunkRecord]) -> RestoreOutcome:
        """Store an upload that a manifest file describes, unless it is known.

        Raises:
            TimestampCollisionError: another upload of the dataset has the same ``created_at``.
        """
        with writing(self._engine) as connection:
            if _exists(connection, uploads.c.upload_id == upload.upload_id):
                return RestoreOutcome.KNOWN
            if _exists(connection, _same_time(upload.dataset_name, upload.created_at)):
                raise _collision(upload)
            key_is_taken = upload.idempotency_key is not None and _exists(connection, _same_key(upload))
            kept = {"idempotency_key": None} if key_is_taken else {}
            _insert(connection, values_of(upload) | kept, records)
            return RestoreOutcome.WITHOUT_KEY if key_is_taken else RestoreOutcome.STORED

    def find(self, upload_id: str) -> UploadRecord | None:
        """Return one upload in full, without its chunks."""
        if "\x00" in upload_id:  # PostgreSQL refuses to compare with a NUL
            return None
        return self._find(uploads.c.upload_id == upload_id)

    def find_many(
        self, upload_ids: Collection[str], *, datasets: Collection[str] = (ALL_DATASETS,)
    ) -> dict[str, UploadOverview]:
        """Return those of the uploads that exist, in ``datasets``, by id."""
        found: dict[str, UploadOverview] = {}
        with reading(self._engine) as connection:
            visible = select(*OVERVIEW_COLUMNS).where(in_datasets(connection, datasets))
            for ids in id_batches(sorted(upload_ids)):
                rows = connection.execute(visible.where(uploads.c.upload_id.in_(ids)))
                found |= {upload.upload_id: upload for upload in map(overview_of, rows)}
        return found

    def list_page(self, query: UploadQuery) -> list[tuple[UploadOverview, dict[ChunkState, int]]]:
        """Return a page of uploads, each with its number of chunks by state."""
        found = select(*OVERVIEW_COLUMNS).order_by(uploads.c.created_at.desc(), uploads.c.upload_id.desc())
        if query.after is not None:
            created_at, upload_id = query.after
            older = uploads.c.created_at < created_at
            found = found.where(or_(older, and_(uploads.c.created_at == created_at, uploads.c.upload_id < upload_id)))
        if query.dataset_name is not None:
            found = found.where(uploads.c.dataset_name == query.dataset_name)
        if query.state is not None:
            found = found.where(uploads.c.state == query.state.value)
        with reading(self._engine) as connection:
            found = found.where(in_datasets(connection, query.datasets))
            page = [overview_of(row) for row in connection.execute(found.limit(query.limit))]
            counts = count_chunks(connection, [upload.upload_id for upload in page])
        return [(upload, counts.get(upload.upload_id, {})) for upload in page]

    def abort(
        self,
        upload_id: str,
        *,
        force: bool,
        at: datetime,
        actor: Actor = SYSTEM,
        datasets: Collection[str] = (ALL_DATASETS,),
    ) -> UploadOverview:
        """Mark an upload as deleted and release its idempotency key; repeating it changes nothing.

        Raises:
            UploadNotFoundError: there is no upload with this id in ``datasets``.
            UploadInProgressError: chunks are announced or relayed, and ``force`` is not set.
        """
        with writing(self._engine) as connection:
            upload = lock_upload(connection, upload_id, datasets=datasets)
            if not check_upload_change(upload.state, UploadState.ABORTED):
                return upload
            counts = count_chunks(connection, [upload_id]).get(upload_id, {})
            on_their_way = sum(counts.get(state, 0) for state in ON_THEIR_WAY)
            if on_their_way and not force:
                raise UploadInProgressError(
                    f"chunks on their way to the bucket: {on_their_way} of {upload.total_chunks}; wait until they have "
                    "landed or failed, or delete with force=true (objects that have landed stay in the bucket)",
                    upload_id=upload_id,
                )
            after = replace(upload, state=UploadState.ABORTED, aborted_at=at, idempotency_key=None)
            write_upload(connection, upload, after)
            forced = f"while {counted(on_their_way, 'chunk')} were on their way" if on_their_way else ""
            self._audit.append(connection, event_of(upload, AuditAction.DELETE, actor, detail=forced))
            return after

    def _find(self, condition: ColumnElement[bool]) -> UploadRecord | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(*UPLOAD_COLUMNS).where(condition)).one_or_none()
        return None if row is None else upload_of(row)

    def _is_taken(self, dataset_name: str, created_at: datetime) -> bool:
        with reading(self._engine) as connection:
            return _exists(connection, _same_time(dataset_name, created_at))


def read_upload(
    connection: Connection, upload_id: str, *, datasets: Collection[str] = (ALL_DATASETS,), lock: bool = False
) -> UploadOverview:
    """Return one upload.

    Raises:
        UploadNotFoundError: there is no upload with this id in ``datasets`` (patterns).
    """
    row = None
    if "\x00" not in upload_id:  # PostgreSQL refuses to compare with a NUL
        query = select(*OVERVIEW_COLUMNS).where(uploads.c.upload_id == upload_id, in_datasets(connection, datasets))
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise UploadNotFoundError(f"there is no upload {upload_id[:64]!r}", upload_id=upload_id[:64])
    return overview_of(row)


def lock_upload(
    connection: Connection, upload_id: str, *, datasets: Collection[str] = (ALL_DATASETS,)
) -> UploadOverview:
    """Return one upload, which no other transaction can change until this one ends.

    PostgreSQL locks the row; SQLite renders no FOR UPDATE and needs none, as it locks the whole database.

    Raises:
        UploadNotFoundError: there is no upload with this id in ``datasets`` (patterns).
    """
    return read_upload(connection, upload_id, datasets=datasets, lock=True)


def count_chunks(connection: Connection, upload_ids: Sequence[str]) -> dict[str, dict[ChunkState, int]]:
    """Return the number of chunks by upload and state."""
    query = select(chunks.c.upload_id, chunks.c.state, func.count()).group_by(chunks.c.upload_id, chunks.c.state)
    counts: dict[str, dict[ChunkState, int]] = {}
    for upload_id, state, count in connection.execute(query.where(chunks.c.upload_id.in_(upload_ids))):
        counts.setdefault(upload_id, {})[ChunkState(state)] = count
    return counts


def event_of(upload: UploadOverview, action: AuditAction, actor: Actor, *, detail: str = "") -> AuditEvent:
    """Return the event of an action on ``upload``."""
    return AuditEvent(
        action=action, actor=actor, upload_id=upload.upload_id, dataset=upload.dataset_name, detail=detail
    )


def write_upload(
    connection: Connection, old: UploadOverview, new: UploadOverview, *, others: dict[str, Any] | None = None
) -> None:
    """Write the columns that differ between the two, and ``others``."""
    values = changes(old, new) | (others or {})
    if values:
        connection.execute(update(uploads).where(uploads.c.upload_id == old.upload_id).values(values))


def _collision(upload: UploadRecord) -> TimestampCollisionError:
    return TimestampCollisionError(
        f"another upload of dataset {upload.dataset_name} began at {upload.created_at.isoformat()} too, so the chunks "
        "of both have the same names"
    )


def _acceptance_of(upload: UploadRecord, actor: Actor) -> AuditEvent:
    event = event_of(
        upload,
        AuditAction.UPLOAD,
        actor,
        detail=f"{upload.source_filename}, sha256 {upload.source_sha256}, {counted(upload.total_chunks, 'chunk')}",
    )
    return replace(event, size_bytes=upload.source_bytes)


def _insert(connection: Connection, upload: dict[str, Any], records: Sequence[ChunkRecord]) -> None:
    connection.execute(insert(uploads), upload)
    connection.execute(insert(chunks), [values_of(chunk) for chunk in records])


def _exists(connection: Connection, condition: ColumnElement[bool]) -> bool:
    return connection.execute(select(uploads.c.upload_id).where(condition)).first() is not None


def _same_key(upload: UploadRecord) -> ColumnElement[bool]:
    """Match an upload of the same owner with the same idempotency key, which must not be None."""
    return and_(uploads.c.owner.is_not_distinct_from(upload.owner), uploads.c.idempotency_key == upload.idempotency_key)


def _same_time(dataset_name: str, created_at: datetime) -> ColumnElement[bool]:
    """Match an upload of the dataset with this ``created_at``, whose chunks have the same names."""
    return and_(uploads.c.dataset_name == dataset_name, uploads.c.created_at == created_at)
