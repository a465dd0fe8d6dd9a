"""The trace that an upload belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; uploads from before have no trace."""
    op.add_column("uploads", sa.Column("traceparent", sa.String(length=55), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("uploads", "traceparent")
