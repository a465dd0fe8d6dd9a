"""Claims: the exclusive right of one worker to announce an upload, for a limited time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Engine, and_, or_, select, update

from contracts.states import ChunkState, UploadState
from uploader.domain.records import ChunkRecord
from uploader.store.engine import reading, writing
from uploader.store.leases import has_expired
from uploader.store.rows import CHUNK_COLUMNS, chunk_of
from uploader.store.tables import chunks, uploads


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The exclusive right to announce one upload until the claim expires."""

    upload_id: str
    owner: str

    @classmethod
    def new(cls, upload_id: str) -> Self:
        """Return a claim with an owner of its own."""
        return cls(upload_id=upload_id, owner=uuid.uuid4().hex)


class ClaimStore:
    """Uploads that have chunks to announce, and who announces them: together they are the outbox."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim_next(self, *, replica: str, owner: str, claim_for: timedelta, now: datetime) -> Claim | None:
        """Claim an unclaimed upload of ``replica`` that has chunks to announce, or return None if there is none.

        Of several uploads it takes the one with the longest wait since the last try, so that none starves the others.
        """
        expired = has_expired(uploads.c.claimed_until, now=now, length=claim_for)
        waiting = and_(uploads.c.replica == replica, uploads.c.state == UploadState.CHUNKED.value)
        columns = (uploads.c.upload_id, uploads.c.claim_owner, uploads.c.claimed_until)
        query = (
            select(*columns)
            .where(waiting, or_(uploads.c.claimed_until.is_(None), expired))
            .order_by(uploads.c.claimed_until.asc().nulls_first(), uploads.c.created_at)
            .limit(1)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        values = {"claim_owner": owner, "claimed_until": now + claim_for}
        # As it was read: no row matches if another worker was faster.
        unchanged = and_(
            uploads.c.upload_id == found.upload_id,
            uploads.c.claim_owner.is_not_distinct_from(found.claim_owner),
            uploads.c.claimed_until.is_not_distinct_from(found.claimed_until),
        )
        with writing(self._engine) as connection:
            taken = connection.execute(update(uploads).where(waiting, unchanged).values(values))
            return Claim(upload_id=found.upload_id, owner=owner) if taken.rowcount else None

    def renew(self, claim: Claim, *, claim_for: timedelta, now: datetime) -> bool:
        """Extend a claim; return False if another worker has taken the upload since."""
        return self._set(claim, until=now + claim_for)

    def release(self, claim: Claim, *, until: datetime) -> None:
        """Let other workers claim the upload after ``until``, unless one has taken it already."""
        self._set(claim, until=until)

    def unannounced(self, upload_id: str, *, limit: int) -> list[ChunkRecord]:
        """Return the first chunks that wait to be announced, or an empty list if the upload was deleted."""
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

    def _set(self, claim: Claim, *, until: datetime) -> bool:
        ours = and_(uploads.c.upload_id == claim.upload_id, uploads.c.claim_owner == claim.owner)
        with writing(self._engine) as connection:
            return connection.execute(update(uploads).where(ours).values(claimed_until=until)).rowcount > 0
