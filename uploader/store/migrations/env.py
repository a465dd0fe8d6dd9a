"""Alembic's entry point; the connection, with its transaction, comes from :mod:`uploader.store.engine`."""

from __future__ import annotations

from alembic import context

from uploader.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can alter little in place; where it is needed, alembic copies the table.
    render_as_batch=True,
)
context.run_migrations()
