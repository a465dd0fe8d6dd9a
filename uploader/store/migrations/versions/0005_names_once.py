"""No two uploads of a dataset have the same moment: it stands in the names of their chunks, and so of their objects."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_uploads = sa.table(
    "uploads",
    sa.column("upload_id", sa.String),
    sa.column("dataset_name", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Make the index unique; of uploads that share a moment, the later ones (by their id) go to the next free one."""
    connection = op.get_bind()
    _move_apart(connection)
    op.drop_index("ix_uploads_dataset_name", "uploads")
    op.create_index("ix_uploads_dataset_name", "uploads", ["dataset_name", "created_at"], unique=True)


def downgrade() -> None:
    """Make it an ordinary one again."""
    op.drop_index("ix_uploads_dataset_name", "uploads")
    op.create_index("ix_uploads_dataset_name", "uploads", ["dataset_name", "created_at"], unique=False)


def _move_apart(connection: sa.Connection) -> None:
    place = (_uploads.c.dataset_name, _uploads.c.created_at)
    shared = connection.execute(sa.select(*place).group_by(*place).having(sa.func.count() > 1)).all()
    for dataset, moment in shared:
        same = sa.and_(_uploads.c.dataset_name == dataset, _uploads.c.created_at == moment)
        found = connection.execute(sa.select(_uploads.c.upload_id).where(same).order_by(_uploads.c.upload_id)).scalars()
        free = moment
        for upload_id in found.all()[1:]:
            free = _next_free(connection, dataset, free)
            change = sa.update(_uploads).where(_uploads.c.upload_id == upload_id).values(created_at=free)
            connection.execute(change)


def _next_free(connection: sa.Connection, dataset: str, moment: datetime) -> datetime:
    while True:
        moment += timedelta(microseconds=1)
        at = sa.and_(_uploads.c.dataset_name == dataset, _uploads.c.created_at == moment)
        if connection.execute(sa.select(_uploads.c.upload_id).where(at)).first() is None:
            return moment
