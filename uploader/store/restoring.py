"""Uploads that come back from the manifest files on the disk."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, and_, insert, select

from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.errors import TimestampCollisionError
from uploader.store.engine import writing
from uploader.store.protocol import Restored
from uploader.store.rows import values_of
from uploader.store.tables import chunks, uploads


class RestoreTable:
    """The part of :class:`uploader.store.protocol.Store` that ``csvpipe recover`` writes with."""

    def __init__(self, engine: Engine) -> None:
        self._restore_engine = engine

    def restore(self, upload: UploadRecord, chunks_: Sequence[ChunkRecord]) -> Restored:
        """Store an upload that a manifest file describes, unless it is known."""
        with writing(self._restore_engine) as connection:
            if _exists(connection, uploads.c.upload_id == upload.upload_id):
                return Restored.KNOWN
            same = and_(uploads.c.dataset_name == upload.dataset_name, uploads.c.created_at == upload.created_at)
            if _exists(connection, same):
                raise TimestampCollisionError(
                    f"another upload of dataset {upload.dataset_name} has the moment {upload.created_at.isoformat()}, "
                    "and their chunks the same names"
                )
            key = upload.idempotency_key
            key_is_taken = key is not None and _exists(connection, uploads.c.idempotency_key == key)
            values = values_of(upload) | {"idempotency_key": None if key_is_taken else key}
            connection.execute(insert(uploads), values)
            connection.execute(insert(chunks), [values_of(chunk) for chunk in chunks_])
            return Restored.WITHOUT_KEY if key_is_taken else Restored.STORED


def _exists(connection: Connection, condition: object) -> bool:
    return connection.execute(select(uploads.c.upload_id).where(condition)).first() is not None  # type: ignore[arg-type]  # an expression of SQLAlchemy
