"""The uploader's settings, read once from the environment and checked."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from aws.bucket_settings import BucketSettings
from contracts.api import MAX_UPLOADS_PER_MINUTE
from contracts.kafka_security import KafkaSecuritySettings
from contracts.names import BUCKET_RAW, BYTES_PER_MB, KEY_FORM, TOPIC_INGEST
from contracts.settings import reading_settings
from uploader.domain.cutting import ChunkType
from uploader.domain.signing_key import SigningKey, parse_signing_keys
from uploader.reader_settings import ReaderSettings
from uploader.server_settings import HTTP_ADDRESS, ServerSettings

DATABASE_FILENAME = "manifest.sqlite3"
UPLOAD_WINDOW_S = 60.0
"""The window over which the rate of an upload is measured."""
REPLICA_NAME = r"^[A-Za-z0-9_.-]{1,128}$"
_KAFKA_RETENTION = timedelta(days=7)
"""Kafka's default of ``retention.ms``."""
_DATABASE_URL = re.compile(r"sqlite:///(?!:memory:|\?|file::memory:).|postgresql(\+psycopg)?://")
_BROKER = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}")


class Settings(ServerSettings, KafkaSecuritySettings, BucketSettings, ReaderSettings):
    """Every setting of the uploader. The environment variable is the field's name in upper case."""

    kafka_broker: str = Field(
        "openhouse-kafka:9092", description="Kafka bootstrap servers as host:port, separated by commas."
    )
    kafka_topic_ingest: str = Field(
        TOPIC_INGEST, pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Kafka topic for chunk messages."
    )
    kafka_partitions: int = Field(
        3, ge=1, le=10_000, description="Number of partitions if the topic has to be created."
    )

    chunk_type: ChunkType = Field(ChunkType.SIZE, description="Default unit of chunks: size, rows or count.")
    chunk_size_mb: int = Field(50, ge=1, le=10_240, description="Default chunk size in MiB for size-based chunking.")
    chunk_rows: int = Field(
        100_000, ge=1, le=1_000_000_000, description="Default number of rows per chunk for row-based chunking."
    )
    max_chunks: int = Field(1_000, ge=1, le=100_000, description="Maximum number of chunks per upload.")
    max_file_size_mb: int = Field(
        10_240, ge=1, description="Maximum file size in MiB, unpacked; a key can have its own."
    )
    max_compression_ratio: int = Field(
        200,
        ge=0,
        le=1_000_000,
        description="Maximum ratio of the content to its gzip or zstd file, for a content above 64 MiB; beyond it the "
        "upload gets 413. 0 for any.",
    )
    max_concurrent_uploads: int = Field(
        8, ge=1, le=1_000, description="Maximum concurrent uploads per worker; further ones get 503."
    )
    uploads_per_minute: int = Field(
        10,
        ge=0,
        le=MAX_UPLOADS_PER_MINUTE,
        description="Maximum uploads per key that start at once, and then per minute, evenly spaced; further ones get "
        "429. 0 for no limit. A key can have its own; uploads without a key are not limited.",
    )
    uploads_at_once_per_key: int = Field(
        4,
        ge=0,
        le=10_000,
        description="Maximum concurrent uploads per key, over all workers and replicas; further ones get 429. 0 for no "
        "limit. A key can have its own.",
    )

    max_event_streams: int = Field(
        200,
        ge=0,
        le=100_000,
        description="Maximum streams of events (GET /events) per worker, one for each open page, "
        "at most half of them for one key; further ones get 503.",
    )

    min_upload_rate_kb_s: int = Field(
        16,
        ge=0,
        le=1_000_000,
        description="Minimum upload rate in KiB/s, measured over each minute; slower uploads get 408. With 0, one byte "
        "per minute is enough. Time in which the uploader itself is slow does not count.",
    )
    temp_dir: Path = Field(
        Path("/tmp/csv-chunks"),  # noqa: S108  the published default; the directory is made for us alone
        description="Directory for chunk files; needs space for all chunks that have not landed.",
    )
    cleanup_after_hours: float = Field(
        24.0,
        ge=0,
        le=87_600,
        allow_inf_nan=False,
        description="Hours after landing when a chunk's file is removed.",
    )
    resumable_expiry_hours: float = Field(
        24.0,
        gt=0,
        le=87_600,
        allow_inf_nan=False,
        description="Hours after the last received byte when an unfinished resumable upload is removed.",
    )
    low_disk_mb: int = Field(
        5_120,
        ge=0,
        description="Free disk space in MiB below which landed chunks are removed early, oldest first.",
    )
    min_free_disk_mb: int = Field(
        1_024, ge=0, description="Minimum free disk space in MiB; uploads that would go below it get 507."
    )
    ballast_mb: int = Field(
        16,
        ge=0,
        le=1_024,
        description="Size in MiB of the ballast file beside an SQLite database, which is removed if the disk is full "
        "so that it can be cleaned; 0 for none.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="URL of the manifest database: sqlite:///path or postgresql://user:password@host/name; "
        f"empty for {DATABASE_FILENAME} in TEMP_DIR.",
    )

    download_signing_keys: SecretStr | None = Field(
        None,
        description="Keys that sign the addresses in messages, as id:secret separated by commas; the first signs, all "
        "verify. The same for all replicas. Empty for one that was made with the database and is kept there.",
    )
    download_expiry_hours: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="Hours for which an announced address is valid; should be longer than Kafka keeps messages; must "
        "not be shorter than all automatic announcements of a chunk take. Empty for a week plus that time.",
    )

    audit_log_file: Path | None = Field(
        None,
        description="File to which each audit record is appended as a line of JSON, besides the database; empty for "
        "none. It is opened for each record, so that it can be rotated.",
    )

    access: Literal["auto", "keys", "open"] = Field(
        "auto",
        description="Who may call: keys (holders of a key), open (anyone), or auto (open while API_HOST and "
        "API_BASE_URL are loopback, for requests whose Host and Origin are so too and that no proxy has passed on, "
        "otherwise keys).",
    )
    admin_key: SecretStr | None = Field(
        None,
        description="Key with all permissions that needs no database, to create others with (made by `csvpipe keys "
        "generate`); two, separated by a comma, while it is replaced.",
    )
    relay_key: SecretStr | None = Field(
        None,
        description="Key of the DAGs, with the permissions relay and read on all datasets; like ADMIN_KEY.",
    )
    metrics_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token that /metrics needs, of 16 characters or more; empty for none.",
    )
    replica_name: str = Field(
        default_factory=socket.gethostname,
        pattern=REPLICA_NAME,
        description="Unique name of this replica, stable across restarts; empty for the host name.",
    )
    replica_ca_file: Path | None = Field(
        None,
        description="PEM file of the certificates to trust for other replicas, to which requests of resumable uploads "
        "are passed on; empty for those of the system.",
    )
    s3_bucket: str = Field(
        BUCKET_RAW,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Bucket that chunks are delivered to, as given in messages and manifests.",
    )

    s3_endpoint: str | None = Field(
        None,
        pattern=HTTP_ADDRESS,
        description="URL of the object store, such as https://s3.eu-west-1.amazonaws.com. The uploader looks there for "
        "the object of a landed chunk before it removes the chunk's file, and reads the first rows of an upload there; "
        "empty to believe the relay.",
    )

    reannounce_after_minutes: float = Field(
        30.0,
        gt=0,
        le=5_256_000,
        allow_inf_nan=False,
        description="Minutes after which a chunk that has not landed is announced again.",
    )
    reannounce_limit: int = Field(
        3, ge=0, le=1_000, description="Maximum automatic repeats of an announcement before a chunk stays failed."
    )

    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        pattern=HTTP_ADDRESS,
        description="OTLP/HTTP endpoint for traces, such as http://collector:4318; empty to disable tracing. The DAGs "
        "use it too.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Minimum level of log records.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Log format: one line of text or of JSON per record."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_in_any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("kafka_broker")
    @classmethod
    def _brokers(cls, value: str) -> str:
        for broker in value.split(","):
            if not _BROKER.fullmatch(broker.strip()):
                raise ValueError(f"must be host:port, got {broker.strip()!r}")
        return value

    @field_validator("temp_dir", "audit_log_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError("must be an absolute path")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _DATABASE_URL.match(value.get_secret_value()):
            raise ValueError("must be sqlite:/// with the path of a file, or start with postgresql://")
        return value

    @field_validator("admin_key", "relay_key")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if not all(KEY_FORM.fullmatch(key) for key in split_keys(value)):
            raise ValueError(
                "must be csvp_, 8 characters a-z or 0-9, _ and 43 characters A-Z, a-z, 0-9, - or _; several keys are "
                "separated by commas"
            )
        return value

    @field_validator("download_signing_keys")
    @classmethod
    def _signing_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_signing_keys(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.low_disk_mb < self.min_free_disk_mb:
            raise ValueError(
                f"LOW_DISK_MB ({self.low_disk_mb}) must not be below MIN_FREE_DISK_MB ({self.min_free_disk_mb}): "
                "cleaning would start only after uploads are refused"
            )
        ids = [key.split("_")[1] for key in (*split_keys(self.admin_key), *split_keys(self.relay_key))]
        if len(ids) > len(set(ids)):
            raise ValueError("ADMIN_KEY and RELAY_KEY have two keys with the same 8 characters after csvp_")
        if self.download_expiry < self.reannouncing:
            raise ValueError(
                f"DOWNLOAD_EXPIRY_HOURS ({self.download_expiry_hours:g}) must not be below "
                f"{self.reannouncing / timedelta(hours=1):g}: a chunk is announced 1 + REANNOUNCE_LIMIT "
                f"({self.reannounce_limit}) times, every REANNOUNCE_AFTER_MINUTES ({self.reannounce_after_minutes:g})"
            )
        if self.s3_endpoint and bool(self.aws_access_key_id) != bool(self.aws_secret_access_key):
            raise ValueError(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set, or neither, for S3_ENDPOINT"
            )
        if self.chunk_size_mb > self.max_file_size_mb:
            raise ValueError(
                f"CHUNK_SIZE_MB ({self.chunk_size_mb}) must not be above MAX_FILE_SIZE_MB ({self.max_file_size_mb})"
            )
        return self

    @property
    def store_url(self) -> str:
        """URL of the manifest database; may contain a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.temp_dir / DATABASE_FILENAME}"

    @property
    def uses_sqlite(self) -> bool:
        """Whether the manifest database is an SQLite file."""
        return self.store_url.startswith("sqlite:")

    @property
    def signing_keys(self) -> list[SigningKey]:
        """``DOWNLOAD_SIGNING_KEYS``; empty if the database's own key signs."""
        keys = self.download_signing_keys
        return [] if keys is None else parse_signing_keys(keys.get_secret_value())

    @property
    def reannouncing(self) -> timedelta:
        """Time in which a chunk that does not land is announced, repeats included, before it stays failed."""
        return timedelta(minutes=self.reannounce_after_minutes) * (1 + self.reannounce_limit)

    @property
    def download_expiry(self) -> timedelta:
        """How long the address in a message is valid."""
        hours = self.download_expiry_hours
        return _KAFKA_RETENTION + self.reannouncing if hours is None else timedelta(hours=hours)

    @property
    def ballast_path(self) -> Path | None:
        """Path of the ballast file, beside the database; None if the database is not an SQLite file."""
        path = self.store_url.split("?")[0].removeprefix("sqlite:///")
        return None if path == self.store_url.split("?")[0] else Path(f"{path}.ballast")

    @property
    def ballast_bytes(self) -> int:
        """``BALLAST_MB`` in bytes."""
        return self.ballast_mb * BYTES_PER_MB

    @property
    def kafka_brokers(self) -> list[str]:
        """The bootstrap servers as a list."""
        return [broker.strip() for broker in self.kafka_broker.split(",")]

    @property
    def max_file_size_bytes(self) -> int:
        """``MAX_FILE_SIZE_MB`` in bytes."""
        return self.max_file_size_mb * BYTES_PER_MB

    @property
    def min_upload_window_bytes(self) -> int:
        """Bytes of an upload that a client must send in each ``UPLOAD_WINDOW_S``."""
        return max(1, int(self.min_upload_rate_kb_s * 1024 * UPLOAD_WINDOW_S))

    @property
    def low_disk_bytes(self) -> int:
        """``LOW_DISK_MB`` in bytes."""
        return self.low_disk_mb * BYTES_PER_MB

    @property
    def min_free_disk_bytes(self) -> int:
        """``MIN_FREE_DISK_MB`` in bytes."""
        return self.min_free_disk_mb * BYTES_PER_MB


def split_keys(setting: SecretStr | None) -> list[str]:
    """Return the keys of a setting, which separates them by commas."""
    return [] if setting is None else [key.strip() for key in setting.get_secret_value().split(",")]


def load_settings(*, env_file: Path | None = None, **given: Any) -> Settings:  # noqa: ANN401  any field of Settings
    """Read the settings from the environment, then from ``env_file``; arguments in ``given`` take precedence.

    Raises:
        SettingsError: a value violates its rule. The text names all faults, but no values, which may be secrets.
    """
    with reading_settings(Settings):
        return Settings(_env_file=env_file, **given)
