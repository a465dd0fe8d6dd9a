"""The database schema; the migrations must produce the same."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

from uploader.store.database_clock import database_now_us

SCHEMA = "0001"
"""The newest revision in ``migrations/versions``. A database at this revision needs no migration."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, on databases with time zones (PostgreSQL) and without (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert ``value`` to UTC for the database."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  as in the base
        """Return the stored value as an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", String(32), primary_key=True),
    Column("dataset_name", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("replica", String(128), nullable=False),
    Column("owner", String(8)),
    Column("idempotency_key", String(255)),
    Column("chunk_type", String(8), nullable=False),
    Column("chunk_size", BigInteger, nullable=False),
    Column("requested", JSON, nullable=False),
    Column("source_filename", Text, nullable=False),
    Column("source_bytes", BigInteger, nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("compression", String(8)),
    Column("content_bytes", BigInteger, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("encoding", String(64), nullable=False),
    Column("transcoded_from", String(16)),
    Column("delimiter", String(8), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("header_bytes", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("accepted_deviations", JSON(none_as_null=True)),
    Column("total_chunks", Integer, nullable=False),
    Column("bucket", String(63), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("chunked_at", UtcDateTime, nullable=False),
    Column("announced_at", UtcDateTime),
    Column("landed_at", UtcDateTime),
    Column("aborted_at", UtcDateTime),
    Column("error", Text),
    Column("traceparent", String(55)),
    Column("claim_owner", String(255)),
    Column("claimed_until", UtcDateTime),
    # By the clock of the database: when the row, or a chunk of the upload, was last written.
    Column("changed_us", BigInteger, nullable=False, default=database_now_us(), onupdate=database_now_us()),
    CheckConstraint("total_chunks >= 1", name="has_chunks"),
    # Unique for each key, and among the uploads without a key: NULL differs from NULL in a unique index.
    Index("ix_uploads_owner_idempotency_key", "owner", "idempotency_key", unique=True),
    Index(
        "ix_uploads_idempotency_key",
        "idempotency_key",
        unique=True,
        sqlite_where=text("owner IS NULL"),
        postgresql_where=text("owner IS NULL"),
    ),
    Index("ix_uploads_created_at", "created_at", "upload_id"),
    Index("ix_uploads_dataset_name", "dataset_name", "created_at", unique=True),
    Index("ix_uploads_state", "state", "created_at"),
    Index("ix_uploads_changed_us", "changed_us"),
    # All that the totals of datasets need, in the order in which they are listed.
    Index("ix_uploads_totals", "dataset_name", "state", "row_count", "source_bytes", "created_at"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("upload_id", String(32), ForeignKey("uploads.upload_id"), primary_key=True),
    Column("chunk_id", Integer, primary_key=True, autoincrement=False),
    Column("filename", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("row_start", BigInteger, nullable=False),
    Column("row_end", BigInteger, nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("announced_at", UtcDateTime),
    Column("relayed_at", UtcDateTime),
    Column("landed_at", UtcDateTime),
    Column("cleaned_at", UtcDateTime),
    Column("error", Text),
    Column("evidence", JSON, nullable=False),
    CheckConstraint("chunk_id >= 1", name="counted_from_1"),
    Index("ix_chunks_state", "state", "landed_at"),
)

resumable_uploads = Table(
    "resumable_uploads",
    metadata,
    Column("upload_id", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("replica", String(128), nullable=False),
    Column("owner", String(8)),
    Column("actor_name", String(128), nullable=False),
    Column("actor_address", String(128), nullable=False),
    Column("dataset_name", String(128), nullable=False),
    Column("options", JSON, nullable=False),
    Column("filename", Text, nullable=False),
    Column("length_bytes", BigInteger),
    Column("sha256", String(64)),
    Column("idempotency_key", String(255)),
    Column("traceparent", String(55)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("accepted_id", String(32)),
    Column("problem", JSON),
    Index("ix_resumable_uploads_state", "state", "replica"),
    Index("ix_resumable_uploads_ended_at", "ended_at"),
    # Of those that are not an upload yet; then the key is the upload's.
    Index(
        "ix_resumable_uploads_owner_idempotency_key",
        "owner",
        "idempotency_key",
        unique=True,
        sqlite_where=text("state = 'receiving'"),
        postgresql_where=text("state = 'receiving'"),
    ),
    Index(
        "ix_resumable_uploads_idempotency_key",
        "idempotency_key",
        unique=True,
        sqlite_where=text("state = 'receiving' AND owner IS NULL"),
        postgresql_where=text("state = 'receiving' AND owner IS NULL"),
    ),
)

replicas = Table(
    "replicas",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("disk_id", String(32), nullable=False),
    Column("base_url", Text),
    Column("seen_at", UtcDateTime),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("replica", String(128), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("key_id", String(32)),
    Column("address", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("upload_id", String(32)),
    Column("dataset", String(128)),
    Column("size_bytes", BigInteger),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_records_at", "at", "replica", "sequence"),
    Index("ix_audit_records_upload_id", "upload_id"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("replica", String(128), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("full_us", BigInteger, nullable=False),
)
"""When all units of a key are available again, by the clock of the database in microseconds since 1970."""

upload_slots = Table(
    "upload_slots",
    metadata,
    Column("slot_id", String(32), primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Index("ix_upload_slots_key_id", "key_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(8), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("datasets", JSON, nullable=False),
    Column("uploads_per_minute", Integer),
    Column("concurrent_uploads", Integer),
    Column("max_file_size_mb", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_on", Date),
    Column("revoked_at", UtcDateTime),
    Column("previous_sha256", String(64)),
    Column("previous_until", UtcDateTime),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("secret", Text, nullable=False),
)

identity = Table("identity", metadata, Column("database_id", String(32), primary_key=True))
