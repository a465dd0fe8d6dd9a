"""Where each replica can be reached, and when it was last heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("replicas", sa.Column("base_url", sa.Text(), nullable=True))
    op.add_column("replicas", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("replicas", "seen_at")
    op.drop_column("replicas", "base_url")
