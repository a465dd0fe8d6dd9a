"""Settings of a job: environment variables under the names of the plan, or options of ``csvpipe sequence``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.errors import SettingsError
from contracts.settings import reading_settings

Mode = Literal["exclusive", "transactional"]
Compression = Literal["gzip", "lz4", "zstd", "snappy", "none"]
Payer = Literal["", "requester"]
Security = Literal["plaintext", "tls", "scram", "iam"]
EXPIRY_FACTOR = 1.5
FRAMING_BYTES = 512
"""What a record has around its value in a request, at most: ours have no key and no headers."""
MAX_RECORD_BYTES = 1_000_000 - FRAMING_BYTES
"""Kafka's own limit for a message, less its framing."""
_LONGEST_TOPIC = 249
_BROKER = re.compile(r"(?:[A-Za-z_]+://)?(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:/\s,]+)(?::([0-9]{1,5}))?")
OnBadRow = Literal["stop", "dead-letter"]


def _check_topic(name: str) -> str:
    """Check that Kafka can have a topic of this name (``org.apache.kafka.common.internals.Topic``)."""
    if name in (".", "..") or len(name) > _LONGEST_TOPIC or not re.fullmatch(r"[A-Za-z0-9._-]*", name):
        raise ValueError(
            f"there can be no topic {name[:_LONGEST_TOPIC]!r}: a name has up to {_LONGEST_TOPIC} letters of ASCII, "
            "digits, dots, underscores and hyphens, and is not . or .."
        )
    return name


def _check_brokers(servers: str) -> str:
    """Check that each of ``servers`` is a host, with a port or without."""
    for server in filter(None, servers.split(",")):
        found = _BROKER.fullmatch(server.strip())
        if found is None or not 0 < int(found[1] or 1) < 2**16:
            raise ValueError(f"{server.strip()!r} is no host:port")
    return servers


Brokers = Annotated[str, AfterValidator(_check_brokers)]
Topic = Annotated[str, AfterValidator(_check_topic)]


class JobSettings(BaseSettings):
    """Everything that a job is told. Seconds are wall-clock seconds."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    source: Annotated[str | tuple[str, ...], NoDecode] = Field(
        "",
        description="What to read: s3://bucket/key, s3://bucket/prefix/ (all below it, in the order of their keys) or "
        "a local file; several separated by blanks, in that order. A name with blanks: as an option, or by S3_BUCKET "
        "and S3_KEY, which are taken as they are. Empty: s3://S3_BUCKET/S3_KEY",
    )
    s3_bucket: str = Field("", description="Bucket of the source, where SOURCE is not given.")
    s3_key: str = Field("", description="Key of the source, where SOURCE is not given.")
    s3_endpoint: str | None = Field(None, pattern=r"^https?://", description="Object store; empty for Amazon's own.")
    s3_request_payer: Payer = Field("", description="requester: this account pays for reading a bucket of others.")
    aws_region: str = Field("us-east-1", description="Region of S3, DynamoDB, CloudWatch and MSK.")
    kafka_bootstrap_servers: Brokers = Field(
        "", description="Kafka brokers to start from, host:port, separated by commas."
    )
    kafka_topic: Topic = Field("", description="Topic that the records go to.")
    create_topic: bool = Field(
        False,
        description="Make the topic, and that of the dead letters, where it is missing, as the broker's defaults say.",
    )
    kafka_partition: int = Field(0, ge=0, description="Partition that the records go to.")
    partitions: int = Field(1, ge=1, le=1000, description="Cut the source into so many ranges, one partition each.")
    kafka_security: Security = Field(
        "plaintext", description="plaintext, tls, scram (SASL/SCRAM-512 by TLS) or iam (MSK)."
    )
    kafka_username: str = Field("", description="User for scram.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Password for scram.")
    kafka_ca_file: str = Field("", description="Certificates to trust; empty for the system's.")
    librdkafka: str = Field(
        "",
        description="Another build of librdkafka (2.0 or newer) to send with, such as the distribution's "
        "librdkafka.so.1; empty: that of confluent-kafka, whose gzip is slow.",
    )
    kafka_options: dict[str, str] = Field({}, description="More options for librdkafka, as a JSON object.")
    compression: Compression = Field("gzip", description="gzip as in the plan; lz4 and zstd are several times as fast.")
    compression_level: int | None = Field(
        None, ge=-1, le=12, description="Level of the compression; empty: 3 for gzip, the client's own for others."
    )
    mode: Mode = Field(
        "exclusive", description="exclusive: the partition is the job's own; transactional: it is shared."
    )
    job_id: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,200}$", description="Name of the job; a new start goes on with it."
    )
    fence: bool = Field(
        True,
        description="Set message.timestamp.before.max.ms of the topic and of that of the dead letters, so that Kafka "
        "(3.6 or newer) refuses requests of an earlier try that arrive late. false: a start waits LEASE_S for them "
        "instead.",
    )
    require_durable_topic: bool = Field(
        False,
        description="Refuse a topic with one replica or min.insync.replicas=1, which may lose acknowledged records "
        "with one broker; false: warn.",
    )
    append: bool = Field(False, description="Start behind what the partition holds of others (exclusive mode).")
    checkpoint_table: str = Field("", description="DynamoDB table of the checkpoints; empty: CHECKPOINT_FILE.")
    checkpoint_file: str = Field(
        ".csvpipe/checkpoints.sqlite3", description="SQLite file of the checkpoints where there is no table."
    )
    dynamodb_endpoint: str | None = Field(None, pattern=r"^https?://", description="DynamoDB; empty for Amazon's own.")
    checkpoint_interval: int = Field(10_000, ge=1, description="Records after which a checkpoint is due.")
    transaction_records: int = Field(
        0, ge=0, description="Transactional mode: records of a transaction; 0: ten times CHECKPOINT_INTERVAL."
    )
    checkpoint_interval_s: float = Field(1.0, gt=0, description="Seconds after which one is due in any case.")
    lease_s: float = Field(
        180.0, gt=0, description="How long a job may be silent before another process takes it over."
    )
    lease_wait_s: float | None = Field(
        None,
        ge=0,
        description="How long a start waits while another process holds the lease, before it ends with 75; empty: "
        "LEASE_S.",
    )
    delivery_timeout_s: float = Field(
        60.0, gt=0, description="How long Kafka is tried for one record; LEASE_S must be more than 1.5 times as long."
    )
    stop_within_s: float = Field(
        90.0,
        gt=0,
        description="How long draining may take after TERM; less than what follows it with KILL (ECS stopTimeout, "
        "Kubernetes' grace, Spot's two minutes).",
    )
    stopped_exit_code: int = Field(
        0,
        ge=0,
        le=125,
        description="Exit code of a job that TERM has ended before its end; 75 where what has started it is to start "
        "it again, as after a Spot machine is taken away.",
    )
    retries: int = Field(5, ge=0, description="How often what failed is tried again before the job stops with 75.")
    retry_for_s: float = Field(
        600.0,
        ge=0,
        description="A job that has sent records and then gets no further is tried again for at least so long, "
        "however often that is; not if RETRIES is 0.",
    )
    delimiter: str = Field(
        "",
        description="One ASCII character, a name (comma, semicolon, tab, pipe ...) or an escape such as "
        "\\x01; empty: that of Excel's sep= line, or found in the header and the first rows.",
    )
    encoding: str = Field(
        "",
        description="Encoding of the source: utf-8, any single-byte one, cp932, shift_jis, gbk, gb18030, euc_kr, "
        "cp949, euc_jp, big5 ...; empty: UTF-8, or UTF-16 by its byte order mark.",
    )
    schema_file: str = Field(
        "",
        description="JSON or YAML file that types columns, local or s3://bucket/key; empty: every field is a string.",
    )
    on_bad_row: OnBadRow = Field("stop", description="What a ragged row, or one that breaks the schema, leads to.")
    dead_letter_topic: Topic = Field("", description="Where bad rows go; empty: KAFKA_TOPIC with -dlq behind it.")
    max_record_bytes: int = Field(
        MAX_RECORD_BYTES,
        ge=1,
        le=64_000_000,
        description="Bytes that a row may have as JSON; a longer one is a bad row. More than the default takes a topic "
        "whose max.message.bytes is at least 512 bytes more, and brokers whose replica.fetch.max.bytes is, too.",
    )
    limit: int = Field(0, ge=0, description="Rows after which the job is done; 0: all.")
    dry_run: bool = Field(False, description="Read, encode and count, and send nothing.")
    cloudwatch_namespace: str = Field("", description="Namespace of the metrics in CloudWatch; empty: none are sent.")
    cloudwatch_endpoint: str | None = Field(None, pattern=r"^https?://", description="CloudWatch; empty for Amazon's.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port for Prometheus (/metrics); 0: none.")
    interruption_check: bool = Field(False, description="Ask EC2's metadata for the notice before a Spot machine goes.")
    cost_per_hour: float = Field(0.0, ge=0, description="What the machine costs in USD an hour, for the estimate.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level logged.")
    log_format: Literal["text", "json"] = Field("text", description="One line of text, or of JSON, for each record.")

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.lease_s <= self.expiry_s:
            raise ValueError(
                f"LEASE_S ({self.lease_s:g}) must be more than {EXPIRY_FACTOR:g} times DELIVERY_TIMEOUT_S "
                f"({self.delivery_timeout_s:g}): what a stopped process has queued must have expired when another "
                "takes over"
            )
        if self.on_bad_row == "dead-letter" and len(self.dlq) > _LONGEST_TOPIC:
            raise ValueError(
                f"DEAD_LETTER_TOPIC is missing: KAFKA_TOPIC with -dlq behind it has over {_LONGEST_TOPIC} characters"
            )
        for name, value in self:
            if isinstance(value, str) and not value.isprintable():
                _check_text(name.upper(), value)
        if self.kafka_security == "scram" and not self.kafka_username:
            raise ValueError("KAFKA_USERNAME is missing: KAFKA_SECURITY=scram needs it")
        return self

    @property
    def expiry_s(self) -> float:
        """Seconds after which Kafka's client drops a record by itself; the job has given up before that."""
        return EXPIRY_FACTOR * self.delivery_timeout_s

    @property
    def lease_wait(self) -> float:
        """Seconds that a start waits for a lease that another process holds."""
        return self.lease_s if self.lease_wait_s is None else self.lease_wait_s

    @property
    def sources(self) -> tuple[str, ...]:
        """What to read, in order. A text is that of the environment; what came as options stands for itself."""
        if self.source:
            return tuple(self.source.split()) if isinstance(self.source, str) else self.source
        return (f"s3://{self.s3_bucket}/{self.s3_key}",) if self.s3_bucket and self.s3_key else ()

    @property
    def dlq(self) -> str:
        """The dead-letter topic."""
        return self.dead_letter_topic or f"{self.kafka_topic}-dlq"

    def check_complete(self) -> None:
        """Check that what a job cannot do without is given.

        Raises:
            SettingsError: something is missing; every such setting is named.
        """
        missing = [] if self.sources else ["SOURCE (or S3_BUCKET and S3_KEY)"]
        if not self.dry_run:
            needed = ("kafka_bootstrap_servers", "kafka_topic", "job_id")
            missing += [name.upper() for name in needed if not getattr(self, name)]
        _raise_missing(missing)

    def check_topic_given(self) -> None:
        """Check that what it takes to look at a partition is given.

        Raises:
            SettingsError: something is missing; every such setting is named.
        """
        _raise_missing([name.upper() for name in ("kafka_bootstrap_servers", "kafka_topic") if not getattr(self, name)])


def _check_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not UTF-8") from error


def _raise_missing(names: list[str]) -> None:
    if names:
        raise SettingsError(f"not given: {', '.join(names)}")


def load_settings(**given: Any) -> JobSettings:  # noqa: ANN401  any field
    """Return the settings; what is given and not None wins over the environment and ``.env``.

    Raises:
        SettingsError: a value is wrong; every such setting is named.
    """
    with reading_settings():
        return JobSettings(**{name: value for name, value in given.items() if value is not None})
