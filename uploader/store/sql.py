"""The store on SQLAlchemy: the same statements for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from contracts.states import ChunkState, UploadState, check_upload_change
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.transitions import ON_THEIR_WAY, SAFE_IN_BUCKET, summarised
from uploader.errors import (
    ChunkNotFoundError,
    TimestampCollisionError,
    UploadGoneError,
    UploadInProgressError,
    UploadNotFoundError,
)
from uploader.store.engine import open_engine, reading, writing
from uploader.store.guard import DatabaseGuard
from uploader.store.identity import read_identity
from uploader.store.leases import LeaseTable
from uploader.store.protocol import ChunkEdit, Claim, Page
from uploader.store.replicas import ReplicaTable
from uploader.store.restoring import RestoreTable
from uploader.store.rows import (
    CHUNK_COLUMNS,
    OVERVIEW_COLUMNS,
    UPLOAD_COLUMNS,
    changes,
    chunk_of,
    overview_of,
    upload_of,
    values_of,
)
from uploader.store.statistics import StatisticsTable
from uploader.store.tables import chunks, uploads
from uploader.store.timestamps import MomentTable, is_over

_T = TypeVar("_T", int, str)
_IDS_AT_ONCE = 500
"""How many ids one statement takes; SQLite has a limit, and PostgreSQL plans better below it."""


class SqlStore(LeaseTable, ReplicaTable, StatisticsTable, RestoreTable, MomentTable):
    """See :class:`uploader.store.protocol.Store`."""

    def __init__(self, engine: Engine, guard: DatabaseGuard) -> None:
        LeaseTable.__init__(self, engine)
        ReplicaTable.__init__(self, engine)
        StatisticsTable.__init__(self, engine)
        RestoreTable.__init__(self, engine)
        MomentTable.__init__(self, engine)
        self._engine = engine
        self._guard = guard

    def create(
        self, upload: UploadRecord, chunks_: Sequence[ChunkRecord], *, claim: Claim, claim_for: timedelta
    ) -> UploadRecord | None:
        """Store an upload with all its chunks, already claimed, or return the upload that holds its key."""
        claimed = {"claim_owner": claim.owner, "claimed_until": upload.chunked_at + claim_for}
        while True:
            try:
                with writing(self._engine) as connection:
                    self._guard.check_id(read_identity(connection))
                    connection.execute(insert(uploads), {**values_of(upload), **claimed})
                    connection.execute(insert(chunks), [values_of(chunk) for chunk in chunks_])
            except IntegrityError:
                first = self._find_in_full(uploads.c.idempotency_key, upload.idempotency_key)
                if first is not None:
                    return first
                if self._is_taken(upload.dataset_name, upload.created_at):
                    raise TimestampCollisionError(
                        f"another upload of dataset {upload.dataset_name} began in the same microsecond, and their "
                        "chunks would have the same names; nothing of this one was kept: send it again"
                    ) from None
                if upload.idempotency_key is None or self.find(upload.upload_id) is not None:
                    raise
                # The key was given free between the two transactions: try again.
            else:
                self._guard.check()  # where the file went away during the commit, so did the upload
                return None

    def find(self, upload_id: str) -> UploadRecord | None:
        """Return one upload in full, without its chunks."""
        return self._find_in_full(uploads.c.upload_id, upload_id)

    def find_many(self, upload_ids: Collection[str]) -> dict[str, UploadOverview]:
        """Return those of the uploads that are known."""
        found: dict[str, UploadOverview] = {}
        with reading(self._engine) as connection:
            for ids in _batches(sorted(upload_ids)):
                rows = connection.execute(select(*OVERVIEW_COLUMNS).where(uploads.c.upload_id.in_(ids)))
                found |= {upload.upload_id: upload for upload in map(overview_of, rows)}
        return found

    def read(self, upload_id: str) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Return an upload and its chunks in order, as of one moment."""
        with reading(self._engine) as connection:
            return _existing(connection, upload_id), _chunks(connection, upload_id, None)

    def read_chunk(self, upload_id: str, chunk_id: int) -> tuple[UploadOverview, ChunkRecord]:
        """Return one chunk and its upload."""
        with reading(self._engine) as connection:
            return _existing(connection, upload_id), _chunks(connection, upload_id, [chunk_id])[0]

    def list_uploads(self, page: Page) -> list[tuple[UploadOverview, dict[ChunkState, int]]]:
        """Return a page of uploads, each with the number of its chunks by state."""
        query = select(*OVERVIEW_COLUMNS).order_by(uploads.c.created_at.desc(), uploads.c.upload_id.desc())
        if page.after is not None:
            moment, upload_id = page.after
            older = uploads.c.created_at < moment
            query = query.where(or_(older, and_(uploads.c.created_at == moment, uploads.c.upload_id < upload_id)))
        if page.dataset_name is not None:
            query = query.where(uploads.c.dataset_name == page.dataset_name)
        if page.state is not None:
            query = query.where(uploads.c.state == page.state.value)
        with reading(self._engine) as connection:
            found = [overview_of(row) for row in connection.execute(query.limit(page.limit))]
            counts = _counts(connection, [upload.upload_id for upload in found])
        return [(upload, counts.get(upload.upload_id, {})) for upload in found]

    def edit_chunks(
        self, upload_id: str, chunk_ids: Collection[int] | None, edit: ChunkEdit, *, at: datetime
    ) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Apply ``edit`` to the chunks, alone with the upload, and derive the upload's state anew."""
        with writing(self._engine) as connection:
            upload = _locked(connection, upload_id)
            if upload.state is UploadState.ABORTED:
                raise UploadGoneError(f"upload {upload_id} was deleted at {upload.aborted_at}", upload_id=upload_id)
            before = _chunks(connection, upload_id, chunk_ids)
            after = [edit(chunk) for chunk in before]
            if before == after:
                return upload, after
            for old, new in zip(before, after, strict=True):
                _write_chunk(connection, old, new)
            return _summarise(connection, upload, at=at), after

    def abort(self, upload_id: str, *, force: bool, at: datetime) -> UploadOverview:
        """Mark an upload as given up and free its idempotency key; once more changes nothing."""
        with writing(self._engine) as connection:
            upload = _locked(connection, upload_id)
            if not check_upload_change(upload.state, UploadState.ABORTED):
                return upload
            counts = _counts(connection, [upload_id]).get(upload_id, {})
            on_their_way = sum(counts.get(state, 0) for state in ON_THEIR_WAY)
            if on_their_way and not force:
                raise UploadInProgressError(
                    f"{on_their_way} of {upload.total_chunks} chunks are on their way to the bucket; wait until they "
                    "have landed or failed, or delete with force=true (what has landed stays in the bucket)",
                    upload_id=upload_id,
                )
            after = replace(upload, state=UploadState.ABORTED, aborted_at=at, idempotency_key=None)
            _write_upload(connection, upload, after)
            return after

    def claim_unannounced(self, *, replica: str, owner: str, claim_for: timedelta, now: datetime) -> Claim | None:
        """Claim the upload of ``replica`` that nobody works on and that has waited longest since it was tried last."""
        over = is_over(uploads.c.claimed_until, now=now, length=claim_for)
        waiting = and_(uploads.c.replica == replica, uploads.c.state == UploadState.CHUNKED.value)
        longest = (uploads.c.claimed_until.asc().nulls_first(), uploads.c.created_at)
        columns = (uploads.c.upload_id, uploads.c.claim_owner, uploads.c.claimed_until)
        query = (
            select(*columns).where(waiting, or_(uploads.c.claimed_until.is_(None), over)).order_by(*longest).limit(1)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        values = {"claim_owner": owner, "claimed_until": now + claim_for}
        # As it was read: where another worker was faster, no row matches.
        unchanged = and_(
            uploads.c.upload_id == found.upload_id,
            uploads.c.claim_owner.is_not_distinct_from(found.claim_owner),
            uploads.c.claimed_until.is_not_distinct_from(found.claimed_until),
        )
        with writing(self._engine) as connection:
            taken = connection.execute(update(uploads).where(waiting, unchanged).values(values))
            return Claim(upload_id=found.upload_id, owner=owner) if taken.rowcount else None

    def renew_claim(self, claim: Claim, *, claim_for: timedelta, now: datetime) -> bool:
        """Prolong a claim; False where another has taken it since."""
        return self._set_claim(claim, until=now + claim_for)

    def release_claim(self, claim: Claim, *, until: datetime) -> None:
        """Let others have the upload after ``until``, if the claim is still ours."""
        self._set_claim(claim, until=until)

    def unannounced(self, upload_id: str, *, limit: int) -> list[ChunkRecord]:
        """Return the first chunks that wait to be announced; none where the upload was deleted."""
        query = (
            select(*CHUNK_COLUMNS)
            .join(uploads)
            .where(uploads.c.upload_id == upload_id, uploads.c.state == UploadState.CHUNKED.value)
            .where(chunks.c.state == ChunkState.STORED.value)
            .order_by(chunks.c.chunk_id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [chunk_of(row) for row in connection.execute(query)]

    def overdue(self, *, replica: str, before: datetime, reannounce_limit: int, limit: int) -> dict[str, list[int]]:
        """Return ids of chunks by upload that were announced or relayed ``before``, and neither landed nor given up."""
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
        """Return chunks whose files may go, those that landed first first (None: whenever they landed)."""
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

    def adopt(self, upload_ids: Collection[str], *, replica: str) -> list[str]:
        """Assign uploads that name another replica to ``replica``; return their ids."""
        adopted: list[str] = []
        with writing(self._engine) as connection:
            for ids in _batches(sorted(upload_ids)):
                strangers = and_(uploads.c.upload_id.in_(ids), uploads.c.replica != replica)
                adopted += connection.execute(select(uploads.c.upload_id).where(strangers)).scalars()
                connection.execute(update(uploads).where(strangers).values(replica=replica))
        return adopted

    def unlanded(self, *, replica: str) -> list[UploadOverview]:
        """Return the uploads of ``replica`` that are neither landed nor deleted."""
        done = [UploadState.LANDED.value, UploadState.ABORTED.value]
        query = select(*OVERVIEW_COLUMNS).where(uploads.c.replica == replica, uploads.c.state.not_in(done))
        with reading(self._engine) as connection:
            return [overview_of(row) for row in connection.execute(query.order_by(uploads.c.created_at))]

    def ping(self) -> None:
        """Return if the database answers."""
        with reading(self._engine) as connection:
            self._guard.check_id(read_identity(connection))

    def check_usable(self) -> None:
        """Return if the database is, as far as is known, the one that was opened; does not ask it."""
        self._guard.check()

    def declare_lost(self, why: str) -> None:
        """Refuse everything from now on: the database is not the one that the disk belongs to."""
        self._guard.declare_lost(why)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _find_in_full(self, column: Column[Any], value: str | None) -> UploadRecord | None:
        """Return the upload that has ``value`` in a unique ``column``."""
        if value is None or "\x00" in value:
            return None  # PostgreSQL would not even look for a NUL
        with reading(self._engine) as connection:
            row = connection.execute(select(*UPLOAD_COLUMNS).where(column == value)).one_or_none()
        return None if row is None else upload_of(row)

    def _is_taken(self, dataset_name: str, created_at: datetime) -> bool:
        """Return whether an upload of the dataset has this moment, and so the names of its chunks."""
        same = and_(uploads.c.dataset_name == dataset_name, uploads.c.created_at == created_at)
        with reading(self._engine) as connection:
            return connection.execute(select(uploads.c.upload_id).where(same)).first() is not None

    def _set_claim(self, claim: Claim, *, until: datetime) -> bool:
        ours = and_(uploads.c.upload_id == claim.upload_id, uploads.c.claim_owner == claim.owner)
        with writing(self._engine) as connection:
            return connection.execute(update(uploads).where(ours).values(claimed_until=until)).rowcount > 0


def open_store(url: str) -> SqlStore:
    """Open the store at ``url`` and bring its schema up to date.

    Raises:
        ManifestLostError: its file is damaged.
        ManifestUnavailableError: the database does not answer.
    """
    guard = DatabaseGuard()
    return SqlStore(open_engine(url, guard=guard), guard)


def _find(connection: Connection, upload_id: str, *, lock: bool = False) -> UploadOverview | None:
    if "\x00" in upload_id:
        return None  # PostgreSQL would not even look
    query = select(*OVERVIEW_COLUMNS).where(uploads.c.upload_id == upload_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else overview_of(row)


def _existing(connection: Connection, upload_id: str, *, lock: bool = False) -> UploadOverview:
    upload = _find(connection, upload_id, lock=lock)
    if upload is None:
        raise UploadNotFoundError(f"there is no upload {upload_id[:64]!r}", upload_id=upload_id[:64])
    return upload


def _locked(connection: Connection, upload_id: str) -> UploadOverview:
    """Read an upload that nobody else changes until this transaction ends.

    PostgreSQL locks the row; SQLite renders no FOR UPDATE and needs none, as the whole database is locked.
    """
    return _existing(connection, upload_id, lock=True)


def _chunks(connection: Connection, upload_id: str, chunk_ids: Collection[int] | None) -> list[ChunkRecord]:
    query = select(*CHUNK_COLUMNS).where(chunks.c.upload_id == upload_id).order_by(chunks.c.chunk_id)
    if chunk_ids is None:
        return [chunk_of(row) for row in connection.execute(query)]
    found = [
        chunk_of(row)
        for ids in _batches(sorted(set(chunk_ids)))
        for row in connection.execute(query.where(chunks.c.chunk_id.in_(ids)))
    ]
    missing = set(chunk_ids) - {chunk.chunk_id for chunk in found}
    if missing:
        raise ChunkNotFoundError(f"upload {upload_id} has no chunk {min(missing)}", upload_id=upload_id)
    return found


def _counts(connection: Connection, upload_ids: Sequence[str]) -> dict[str, dict[ChunkState, int]]:
    query = select(chunks.c.upload_id, chunks.c.state, func.count()).group_by(chunks.c.upload_id, chunks.c.state)
    counts: dict[str, dict[ChunkState, int]] = {}
    for upload_id, state, count in connection.execute(query.where(chunks.c.upload_id.in_(upload_ids))):
        counts.setdefault(upload_id, {})[ChunkState(state)] = count
    return counts


def _summarise(connection: Connection, upload: UploadOverview, *, at: datetime) -> UploadOverview:
    counts = _counts(connection, [upload.upload_id])[upload.upload_id]
    first_error = None
    if counts.get(ChunkState.FAILED):
        failures = and_(chunks.c.upload_id == upload.upload_id, chunks.c.state == ChunkState.FAILED.value)
        query = select(chunks.c.chunk_id, chunks.c.error).where(failures).order_by(chunks.c.chunk_id).limit(1)
        chunk_id, error = connection.execute(query).one()
        first_error = f"chunk {chunk_id}: {error}"
    after = summarised(upload, counts, first_error=first_error, at=at)
    # Nothing is left to announce: the claim goes with it, so that a renewed announcement need not wait it out.
    unclaimed = {} if after.state is UploadState.CHUNKED else {"claimed_until": None}
    _write(connection, uploads.c.upload_id == upload.upload_id, uploads, changes(upload, after) | unclaimed)
    return after


def _write_upload(connection: Connection, old: UploadOverview, new: UploadOverview) -> None:
    _write(connection, uploads.c.upload_id == old.upload_id, uploads, changes(old, new))


def _write_chunk(connection: Connection, old: ChunkRecord, new: ChunkRecord) -> None:
    place = and_(chunks.c.upload_id == old.upload_id, chunks.c.chunk_id == old.chunk_id)
    _write(connection, place, chunks, changes(old, new))


def _write(connection: Connection, place: Any, table: Any, values: dict[str, Any]) -> None:  # noqa: ANN401  SQLAlchemy's expressions
    if values:
        connection.execute(update(table).where(place).values(values))


def _batches(items: Sequence[_T]) -> list[Sequence[_T]]:
    return [items[start : start + _IDS_AT_ONCE] for start in range(0, len(items), _IDS_AT_ONCE)]
