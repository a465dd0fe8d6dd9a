"""The key that signs addresses if DOWNLOAD_SIGNING_KEYS is empty.

It was made with the schema, so all workers and replicas share it.
"""

from __future__ import annotations

from sqlalchemy import Engine, select

from uploader.domain.signing_key import SigningKey
from uploader.store.engine import reading
from uploader.store.tables import signing_keys


class SigningKeyStore:
    """Signing keys in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[SigningKey]:
        """Return every key; the first one signs."""
        query = select(signing_keys.c.key_id, signing_keys.c.secret).order_by(signing_keys.c.key_id)
        with reading(self._engine) as connection:
            return [SigningKey(**row._mapping) for row in connection.execute(query)]
