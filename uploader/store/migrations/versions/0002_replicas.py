"""The disk that belongs to each replica."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "replicas",
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("disk_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_replicas")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("replicas")
