"""A database has an id of its own: so it is noticed where another is put in its place."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table with its one row."""
    table = op.create_table(
        "identity",
        sa.Column("database_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("database_id", name=op.f("pk_identity")),
    )
    op.bulk_insert(table, [{"database_id": uuid.uuid4().hex}])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("identity")
