"""The id of a database: one row, made with the table, that a copy of another database does not have."""

from __future__ import annotations

from sqlalchemy import Connection, select

from uploader.store.tables import identity


def read_identity(connection: Connection) -> str | None:
    """Return the id of the database; None where somebody has removed it."""
    return connection.execute(select(identity.c.database_id)).scalar()
