"""The initial schema: uploads, chunks, replicas, leases, keys and limits, audit records, the id of the database."""

from __future__ import annotations

import secrets
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_name", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("replica", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=8), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("chunk_type", sa.String(length=8), nullable=False),
        sa.Column("chunk_size", sa.BigInteger(), nullable=False),
        sa.Column("requested", sa.JSON(), nullable=False),
        sa.Column("source_filename", sa.Text(), nullable=False),
        sa.Column("source_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=False),
        sa.Column("compression", sa.String(length=8), nullable=True),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("encoding", sa.String(length=64), nullable=False),
        sa.Column("transcoded_from", sa.String(length=16), nullable=True),
        sa.Column("delimiter", sa.String(length=8), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("header_bytes", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("accepted_deviations", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("total_chunks", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chunked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("aborted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("claim_owner", sa.String(length=255), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("total_chunks >= 1", name=op.f("ck_uploads_has_chunks")),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_created_at", "uploads", ["created_at", "upload_id"], unique=False)
    op.create_index("ix_uploads_dataset_name", "uploads", ["dataset_name", "created_at"], unique=True)
    op.create_index("ix_uploads_state", "uploads", ["state", "created_at"], unique=False)
    op.create_index("ix_uploads_changed_us", "uploads", ["changed_us"], unique=False)
    op.create_index(
        "ix_uploads_totals",
        "uploads",
        ["dataset_name", "state", "row_count", "source_bytes", "created_at"],
        unique=False,
    )
    op.create_index("ix_uploads_owner_idempotency_key", "uploads", ["owner", "idempotency_key"], unique=True)
    op.create_index(
        "ix_uploads_idempotency_key",
        "uploads",
        ["idempotency_key"],
        unique=True,
        sqlite_where=sa.text("owner IS NULL"),
        postgresql_where=sa.text("owner IS NULL"),
    )
    op.create_table(
        "chunks",
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("chunk_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("row_start", sa.BigInteger(), nullable=False),
        sa.Column("row_end", sa.BigInteger(), nullable=False),
        sa.Column("byte_start", sa.BigInteger(), nullable=False),
        sa.Column("byte_end", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleaned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint("chunk_id >= 1", name=op.f("ck_chunks_counted_from_1")),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.upload_id"], name=op.f("fk_chunks_upload_id")),
        sa.PrimaryKeyConstraint("upload_id", "chunk_id", name=op.f("pk_chunks")),
    )
    op.create_index("ix_chunks_state", "chunks", ["state", "landed_at"], unique=False)
    op.create_table(
        "resumable_uploads",
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("replica", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=8), nullable=True),
        sa.Column("actor_name", sa.String(length=128), nullable=False),
        sa.Column("actor_address", sa.String(length=128), nullable=False),
        sa.Column("dataset_name", sa.String(length=128), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_id", sa.String(length=32), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_resumable_uploads")),
    )
    op.create_index("ix_resumable_uploads_state", "resumable_uploads", ["state", "replica"], unique=False)
    op.create_index("ix_resumable_uploads_ended_at", "resumable_uploads", ["ended_at"], unique=False)
    op.create_index(
        "ix_resumable_uploads_owner_idempotency_key",
        "resumable_uploads",
        ["owner", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("state = 'receiving'"),
        postgresql_where=sa.text("state = 'receiving'"),
    )
    op.create_index(
        "ix_resumable_uploads_idempotency_key",
        "resumable_uploads",
        ["idempotency_key"],
        unique=True,
        sqlite_where=sa.text("state = 'receiving' AND owner IS NULL"),
        postgresql_where=sa.text("state = 'receiving' AND owner IS NULL"),
    )
    op.create_table(
        "replicas",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("disk_id", sa.String(length=32), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_replicas")),
    )
    op.create_table(
        "audit_records",
        sa.Column("replica", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=True),
        sa.Column("address", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("upload_id", sa.String(length=32), nullable=True),
        sa.Column("dataset", sa.String(length=128), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("replica", "sequence", name=op.f("pk_audit_records")),
    )
    op.create_index("ix_audit_records_at", "audit_records", ["at", "replica", "sequence"], unique=False)
    op.create_index("ix_audit_records_upload_id", "audit_records", ["upload_id"], unique=False)
    op.create_table(
        "audit_heads",
        sa.Column("replica", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("replica", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("full_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_rate_limits")),
    )
    op.create_table(
        "upload_slots",
        sa.Column("slot_id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slot_id", name=op.f("pk_upload_slots")),
    )
    op.create_index("ix_upload_slots_key_id", "upload_slots", ["key_id"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("datasets", sa.JSON(), nullable=False),
        sa.Column("uploads_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrent_uploads", sa.Integer(), nullable=True),
        sa.Column("max_file_size_mb", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("previous_sha256", sa.String(length=64), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    signing_keys = op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_signing_keys")),
    )
    # Here, because a migration runs once, however many workers and replicas start together.
    op.bulk_insert(signing_keys, [{"key_id": f"db-{secrets.token_hex(4)}", "secret": secrets.token_urlsafe(32)}])
    identity = op.create_table(
        "identity",
        sa.Column("database_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("database_id", name=op.f("pk_identity")),
    )
    op.bulk_insert(identity, [{"database_id": uuid.uuid4().hex}])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("identity")
    op.drop_index("ix_upload_slots_key_id", table_name="upload_slots")
    op.drop_table("upload_slots")
    op.drop_table("rate_limits")
    op.drop_table("signing_keys")
    op.drop_table("audit_heads")
    op.drop_index("ix_audit_records_upload_id", table_name="audit_records")
    op.drop_index("ix_audit_records_at", table_name="audit_records")
    op.drop_table("audit_records")
    op.drop_table("api_keys")
    op.drop_table("replicas")
    op.drop_index("ix_resumable_uploads_idempotency_key", table_name="resumable_uploads")
    op.drop_index("ix_resumable_uploads_owner_idempotency_key", table_name="resumable_uploads")
    op.drop_index("ix_resumable_uploads_ended_at", table_name="resumable_uploads")
    op.drop_index("ix_resumable_uploads_state", table_name="resumable_uploads")
    op.drop_table("resumable_uploads")
    op.drop_index("ix_chunks_state", table_name="chunks")
    op.drop_table("chunks")
    op.drop_index("ix_uploads_idempotency_key", table_name="uploads")
    op.drop_index("ix_uploads_owner_idempotency_key", table_name="uploads")
    op.drop_index("ix_uploads_state", table_name="uploads")
    op.drop_index("ix_uploads_dataset_name", table_name="uploads")
    op.drop_index("ix_uploads_created_at", table_name="uploads")
    op.drop_table("uploads")
    op.drop_table("leases")
