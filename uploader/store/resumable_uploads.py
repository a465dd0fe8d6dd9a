"""Resumable uploads in the database."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Row, and_, delete, insert, select, update

from uploader.domain.resumable_upload import ResumableState, ResumableUpload
from uploader.store.constraints import store_or_find
from uploader.store.engine import reading, writing
from uploader.store.tables import resumable_uploads

_COLUMNS: list[Column[Any]] = [resumable_uploads.c[field.name] for field in fields(ResumableUpload)]


class ResumableUploadStore:
    """Resumable uploads by id. One that has ended keeps its row for a while: clients are told what became of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, upload: ResumableUpload) -> ResumableUpload | None:
        """Store a new one, or return the one of its owner that has its idempotency key and has not ended.

        Raises:
            DatabaseConstraintError: the database refuses it for another reason.
        """
        values = {field.name: getattr(upload, field.name) for field in fields(upload)}

        def store() -> None:
            with writing(self._engine) as connection:
                connection.execute(insert(resumable_uploads), {**values, "state": upload.state.value})

        return store_or_find(store, lambda: self.find_same_key(upload), what=f"resumable upload {upload.upload_id}")

    def find(self, upload_id: str) -> ResumableUpload | None:
        """Return one, or None if there is none with this id."""
        if "\x00" in upload_id:  # PostgreSQL refuses to compare with a NUL
            return None
        return self._find(resumable_uploads.c.upload_id == upload_id)

    def find_same_key(self, upload: ResumableUpload) -> ResumableUpload | None:
        """Return the one of the same owner with the same idempotency key that has not ended, if it has a key."""
        if upload.idempotency_key is None:
            return None
        return self._find(
            and_(
                resumable_uploads.c.owner.is_not_distinct_from(upload.owner),
                resumable_uploads.c.idempotency_key == upload.idempotency_key,
                resumable_uploads.c.state == ResumableState.RECEIVING.value,
            )
        )

    def receiving(self, *, replica: str) -> list[ResumableUpload]:
        """Return those of ``replica`` that have not ended, the oldest first."""
        query = (
            select(*_COLUMNS)
            .where(resumable_uploads.c.replica == replica)
            .where(resumable_uploads.c.state == ResumableState.RECEIVING.value)
            .order_by(resumable_uploads.c.created_at, resumable_uploads.c.upload_id)
        )
        with reading(self._engine) as connection:
            return [_upload_of(row) for row in connection.execute(query)]

    def set_length(self, upload_id: str, length_bytes: int) -> None:
        """Store the length of one whose client had not known it."""
        self._change(upload_id, length_bytes=length_bytes)

    def end(
        self,
        upload_id: str,
        state: ResumableState,
        *,
        at: datetime,
        accepted_id: str | None = None,
        problem: dict[str, object] | None = None,
    ) -> bool:
        """Record what became of one; return False if it had ended before."""
        return self._change(upload_id, state=state.value, ended_at=at, accepted_id=accepted_id, problem=problem)

    def remove(self, upload_id: str, *, at: datetime) -> None:
        """Record that its client has removed one, also if it is finished: the upload that it has become stays."""
        this = resumable_uploads.c.upload_id == upload_id
        with writing(self._engine) as connection:
            removed = {"state": ResumableState.REMOVED.value, "ended_at": at}
            connection.execute(update(resumable_uploads).where(this).values(removed))

    def forget_ended(self, *, before: datetime) -> int:
        """Remove the rows of those that ended before a time, and return their number."""
        ended = resumable_uploads.c.ended_at < before
        with reading(self._engine) as connection:
            if connection.execute(select(resumable_uploads.c.upload_id).where(ended).limit(1)).first() is None:
                return 0
        with writing(self._engine) as connection:
            return connection.execute(delete(resumable_uploads).where(ended)).rowcount

    def _find(self, condition: ColumnElement[bool]) -> ResumableUpload | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(condition)).one_or_none()
        return None if row is None else _upload_of(row)

    def _change(self, upload_id: str, **values: object) -> bool:
        unended = (
            resumable_uploads.c.upload_id == upload_id,
            resumable_uploads.c.state == ResumableState.RECEIVING.value,
        )
        with writing(self._engine) as connection:
            return connection.execute(update(resumable_uploads).where(*unended).values(values)).rowcount > 0


def _upload_of(row: Row[Any]) -> ResumableUpload:
    values = dict(row._mapping)
    return ResumableUpload(**{**values, "state": ResumableState(values["state"])})
