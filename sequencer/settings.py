"""Settings of a job, from environment variables or the options of ``csvpipe sequence``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from aws.payer import Payer
from contracts.errors import SettingsError
from contracts.kafka_security import KafkaSecuritySettings
from contracts.settings import reading_settings

Mode = Literal["exclusive", "transactional"]
Compression = Literal["gzip", "lz4", "zstd", "snappy", "none"]
EXPIRY_FACTOR = 1.5
FRAMING_BYTES = 512
"""Maximum overhead of a record without key and headers in a request."""
MAX_RECORD_BYTES = 1_000_000 - FRAMING_BYTES
"""Kafka's default limit for a message, less the overhead."""
_LONGEST_TOPIC = 249
_BROKER = re.compile(r"(?:[A-Za-z_]+://)?(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:/\s,]+)(?::([0-9]{1,5}))?")
OnBadRow = Literal["stop", "dead-letter"]


def _check_topic(name: str) -> str:
    """Check a topic name by Kafka's rules (``org.apache.kafka.common.internals.Topic``)."""
    if name in (".", "..") or len(name) > _LONGEST_TOPIC or not re.fullmatch(r"[A-Za-z0-9._-]*", name):
        raise ValueError(
            f"must be up to {_LONGEST_TOPIC} ASCII letters, digits, dots, underscores and hyphens, and not . or .., "
            f"got {name[:_LONGEST_TOPIC]!r}"
        )
    return name


def _check_brokers(servers: str) -> str:
    """Check that each of ``servers`` is a host, with or without a port."""
    for server in filter(None, servers.split(",")):
        found = _BROKER.fullmatch(server.strip())
        if found is None or not 0 < int(found[1] or 1) < 2**16:
            raise ValueError(f"must be host:port, got {server.strip()!r}")
    return servers


Brokers = Annotated[str, AfterValidator(_check_brokers)]
Topic = Annotated[str, AfterValidator(_check_topic)]


class JobSettings(KafkaSecuritySettings):
    """All settings of a job. Durations are in wall-clock seconds."""

    model_config = SettingsConfigDict(env_file=".env")

    source: Annotated[str | tuple[str, ...], NoDecode] = Field(
        "",
        description="Source to read: s3://bucket/key, s3://bucket/prefix/ (every object below it, ordered by "
        "key) or a local file. Several, separated by spaces, are read in that order. A name with spaces needs the "
        "option, or S3_BUCKET and S3_KEY. Default: s3://S3_BUCKET/S3_KEY.",
    )
    s3_bucket: str = Field("", description="Bucket of the source if SOURCE is empty.")
    s3_key: str = Field("", description="Key of the source if SOURCE is empty.")
    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of the object store; empty for Amazon S3."
    )
    s3_ca_file: str = Field(
        "", description="PEM file of certificates to trust for the object store instead of the public ones."
    )
    s3_request_payer: Payer = Field("", description="requester to pay for reading a requester-pays bucket.")
    aws_region: str = Field("us-east-1", description="Region of S3, DynamoDB, CloudWatch and MSK.")
    kafka_bootstrap_servers: Brokers = Field(
        "", description="Kafka bootstrap servers, as host:port separated by commas."
    )
    kafka_topic: Topic = Field("", description="Topic to write to.")
    create_topic: bool = Field(
        False,
        description="Create missing topics, the dead-letter topic included, with the broker's defaults.",
    )
    kafka_partition: int = Field(0, ge=0, description="Partition to write to; the first one if PARTITIONS is above 1.")
    partitions: int = Field(
        1, ge=1, le=1000, description="Number of ranges to split the source into, one partition each."
    )
    librdkafka: str = Field(
        "",
        description="Path of another librdkafka (2.0 or newer) to send with, such as the distribution's "
        "librdkafka.so.1; empty for that of confluent-kafka, whose gzip is slow.",
    )
    kafka_options: dict[str, str] = Field({}, description="Additional librdkafka properties, as a JSON object.")
    compression: Compression = Field(
        "gzip", description="Compression of the records; lz4 and zstd are several times as fast as gzip."
    )
    compression_level: int | None = Field(
        None, ge=-1, le=12, description="Compression level; empty for 3 with gzip, and the client's default otherwise."
    )
    mode: Mode = Field(
        "exclusive",
        description="exclusive if only this job writes to the partition, transactional if others do as well.",
    )
    job_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,200}$",
        description="Name of the job; a later run with the same name resumes it.",
    )
    fence: bool = Field(
        True,
        description="Set message.timestamp.before.max.ms of the topic and the dead-letter topic, so that Kafka "
        "(3.6 or newer) rejects late requests of an earlier run. If false, a start waits LEASE_S for them instead.",
    )
    require_durable_topic: bool = Field(
        False,
        description="Reject a topic with one replica or min.insync.replicas=1, which may lose acknowledged "
        "records with one broker. If false, only warn.",
    )
    append: bool = Field(False, description="Start after the records of others in the partition (exclusive mode).")
    checkpoint_table: str = Field("", description="DynamoDB table of the checkpoints; empty for CHECKPOINT_FILE.")
    checkpoint_file: str = Field(
        ".csvpipe/checkpoints.sqlite3", description="SQLite file of the checkpoints if CHECKPOINT_TABLE is empty."
    )
    dynamodb_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of DynamoDB; empty for Amazon's."
    )
    checkpoint_interval: int = Field(10_000, ge=1, description="Number of records after which a checkpoint is saved.")
    transaction_records: int = Field(
        0, ge=0, description="Records per transaction in transactional mode; 0 for ten times CHECKPOINT_INTERVAL."
    )
    checkpoint_interval_s: float = Field(
        1.0, gt=0, description="Seconds after which a checkpoint is saved in any case."
    )
    lease_s: float = Field(
        180.0, gt=0, description="Seconds without a sign of life after which another process may take the job over."
    )
    lease_wait_s: float | None = Field(
        None,
        ge=0,
        description="Seconds to wait for a lease that another process holds before exiting with 75; empty for LEASE_S.",
    )
    delivery_timeout_s: float = Field(
        60.0, gt=0, description="Seconds to retry a record; LEASE_S must be more than 1.5 times this."
    )
    stop_within_s: float = Field(
        90.0,
        gt=0,
        description="Seconds that draining may take after TERM; less than the time until KILL (ECS stopTimeout, "
        "Kubernetes grace period, two minutes on Spot).",
    )
    stopped_exit_code: int = Field(
        0,
        ge=0,
        le=125,
        description="Exit code of a job that was stopped by TERM; 75 if the scheduler should start it again, as "
        "on Spot instances.",
    )
    retries: int = Field(
        5, ge=0, description="Number of retries after a temporary failure before the job exits with 75."
    )
    retry_for_s: float = Field(
        600.0,
        ge=0,
        description="Minimum seconds to retry a job that has sent records and then makes no progress, regardless "
        "of the number of retries; ignored if RETRIES is 0.",
    )
    delimiter: str = Field(
        "",
        description="Delimiter: one ASCII character, a name (comma, semicolon, tab, pipe ...) or an escape such "
        "as \\x01; empty to use Excel's sep= line, or to detect it from the header and the first rows.",
    )
    encoding: str = Field(
        "",
        description="Encoding of the source: utf-8, any single-byte encoding, cp932, shift_jis, gbk, gb18030, "
        "euc_kr, cp949, euc_jp, big5 ...; empty for UTF-8, or UTF-16 with a byte order mark.",
    )
    schema_file: str = Field(
        "",
        description="JSON or YAML file with column types, local or s3://bucket/key; empty to send every field as "
        "a string.",
    )
    on_bad_row: OnBadRow = Field(
        "stop",
        description="What to do with a ragged row, or one that breaks the schema: stop the job or dead-letter the row.",
    )
    dead_letter_topic: Topic = Field(
        "", description="Topic of the bad rows; empty for KAFKA_TOPIC with the suffix -dlq."
    )
    max_record_bytes: int = Field(
        MAX_RECORD_BYTES,
        ge=1,
        le=64_000_000,
        description="Maximum size of a row as JSON, in bytes; a longer one is a bad row. A value above the "
        "default requires a topic whose max.message.bytes, and brokers whose replica.fetch.max.bytes, are at least "
        "512 bytes higher.",
    )
    limit: int = Field(0, ge=0, description="Number of rows to send; 0 for all.")
    dry_run: bool = Field(False, description="Read, encode and count the rows without sending them.")
    cloudwatch_namespace: str = Field("", description="CloudWatch namespace of the metrics; empty to send none.")
    cloudwatch_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of CloudWatch; empty for Amazon's."
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the Prometheus endpoint (/metrics); 0 for none.")
    interruption_check: bool = Field(False, description="Watch EC2 instance metadata for the Spot interruption notice.")
    cost_per_hour: float = Field(0.0, ge=0, description="Cost of the machine in USD per hour, for the cost estimate.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Minimum level to log.")
    log_format: Literal["text", "json"] = Field("text", description="Format of the log lines: text or json.")

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.lease_s <= self.expiry_s:
            raise ValueError(
                f"LEASE_S ({self.lease_s:g}) must be more than {EXPIRY_FACTOR:g} times DELIVERY_TIMEOUT_S "
                f"({self.delivery_timeout_s:g}): records queued by a suspended process must have expired before "
                "another one takes over"
            )
        if self.on_bad_row == "dead-letter" and len(self.dlq) > _LONGEST_TOPIC:
            raise ValueError(
                f"DEAD_LETTER_TOPIC is required: KAFKA_TOPIC with the suffix -dlq exceeds {_LONGEST_TOPIC} characters"
            )
        for name, value in self:
            if isinstance(value, str) and not value.isprintable():
                _check_text(name.upper(), value)
        return self

    @property
    def expiry_s(self) -> float:
        """Seconds after which the Kafka client drops a record; the job gives up before that."""
        return EXPIRY_FACTOR * self.delivery_timeout_s

    @property
    def lease_wait(self) -> float:
        """Seconds to wait for a lease that another process holds."""
        return self.lease_s if self.lease_wait_s is None else self.lease_wait_s

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, in order. Only the environment variable is split at spaces; each option is one source."""
        if self.source:
            return tuple(self.source.split()) if isinstance(self.source, str) else self.source
        return (f"s3://{self.s3_bucket}/{self.s3_key}",) if self.s3_bucket and self.s3_key else ()

    @property
    def dlq(self) -> str:
        """The dead-letter topic."""
        return self.dead_letter_topic or f"{self.kafka_topic}-dlq"

    def check_complete(self) -> None:
        """Check that the settings that every job needs are given.

        Raises:
            SettingsError: settings are missing; the message names them.
        """
        missing = [] if self.sources else ["SOURCE (or S3_BUCKET and S3_KEY)"]
        if not self.dry_run:
            needed = ("kafka_bootstrap_servers", "kafka_topic", "job_id")
            missing += [name.upper() for name in needed if not getattr(self, name)]
        _raise_missing(missing)

    def check_topic_given(self) -> None:
        """Check that the settings needed to read a partition are given.

        Raises:
            SettingsError: settings are missing; the message names them.
        """
        _raise_missing([name.upper() for name in ("kafka_bootstrap_servers", "kafka_topic") if not getattr(self, name)])


def _check_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not UTF-8") from error


def _raise_missing(names: list[str]) -> None:
    if names:
        raise SettingsError(f"missing settings: {', '.join(names)}")


def load_settings(**given: Any) -> JobSettings:  # noqa: ANN401  any field
    """Return the settings; values other than None take precedence over the environment and ``.env``.

    Raises:
        SettingsError: a value is invalid; the message names every such setting.
    """
    with reading_settings(JobSettings):
        return JobSettings(**{name: _value(value) for name, value in given.items() if value not in (None, [])})


def _value(given: Any) -> Any:  # noqa: ANN401  any value
    return tuple(given) if isinstance(given, list) else given
