"""Settings of the local stack, from ``STACK_*`` variables or ``.env``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from aws.encryption import EncryptionMode
from contracts.settings import EnvironmentSettings, reading_settings
from stack.ports import free_ports

Port = Annotated[int, Field(ge=0, le=65535)]


class StackSettings(EnvironmentSettings):
    """Settings of a local stack. A port of 0 means any free port."""

    model_config = SettingsConfigDict(env_prefix="STACK_", env_file=".env")

    host: str = Field("127.0.0.1", description="Address that all services bind to and are reached at")
    secure: bool | None = Field(
        None,
        description="Whether connections are encrypted and authenticated; default: as at the last start, at first not",
    )
    kafka_port: Port = Field(9092, description="Port of Kafka for clients")
    kafka_controller_port: Port = Field(9093, description="Port of Kafka's controller")
    kafka_heap_mb: int = Field(512, ge=128, description="Heap of Kafka in MiB")
    kafka_options: dict[str, str] = Field(
        {}, description="Additional properties of server.properties, as a JSON object"
    )
    minio_port: Port = Field(9000, description="Port of MinIO's S3 API")
    minio_console_port: Port = Field(9001, description="Port of MinIO's console")
    minio_root_user: str = Field("csvpipe", min_length=3, description="Root user of MinIO, and S3 access key")
    minio_root_password: SecretStr | None = Field(
        None, description="Root password of MinIO, and S3 secret key; generated for each stack by default"
    )
    s3_encryption: EncryptionMode = Field(
        EncryptionMode.NONE,
        description="Encryption of the objects: none or sse-s3; sse-kms or sse-c if STACK_SECURE is true",
    )
    nifi_port: Port = Field(8081, description="Port of NiFi's API and UI")
    nifi_ingest_port: Port = Field(10000, description="Port of the flow's ListenHTTP")
    nifi_management_port: Port = Field(8082, description="Port of NiFi's management server (health, shutdown)")
    nifi_heap_mb: int = Field(1024, ge=256, description="Heap of NiFi in MiB")
    airflow_port: Port = Field(8080, description="Port of Airflow's API and UI")
    airflow_worker_log_port: Port = Field(8793, description="Port of the log server for running tasks")
    airflow_trigger_log_port: Port = Field(8794, description="Port of the log server for running triggers")
    airflow_parallelism: int = Field(6, ge=2, description="Maximum concurrent task processes of Airflow")
    airflow_environment: dict[str, str] = Field(
        {}, description="Additional environment variables for Airflow, as a JSON object"
    )
    uploader_port: Port = Field(8000, description="Port of the uploader's API")
    uploader_workers: int = Field(2, ge=1, description="Worker processes of the uploader")
    statsd_port: Port = Field(9125, description="UDP port for StatsD metrics of Airflow")
    statsd_exporter_port: Port = Field(9102, description="Port of the Prometheus metrics of Airflow")
    kafka_exporter_port: Port = Field(9308, description="Port of the Prometheus metrics of Kafka")
    uploader_environment: dict[str, str] = Field(
        {}, description="Additional environment variables for the uploader, as a JSON object"
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        """Refuse wildcard addresses: components use this address to connect to each other."""
        try:
            address = ip_address(host)
        except ValueError:
            if host and not set(host) & set(":/ "):
                return host
            raise ValueError("must be an IPv4 address or a host name, without a port") from None
        if address.version != 4 or address.is_unspecified:
            raise ValueError("must be an IPv4 address of this machine, not a wildcard")
        return host

    @classmethod
    def on_free_ports(cls, **given: Any) -> Self:  # noqa: ANN401 - any field of this class
        """Return settings with a free port for every service. Ports in the environment and ``.env`` are ignored."""
        ports: dict[str, Any] = {name: 0 for name in cls.model_fields if name.endswith("_port")}
        return cls(**{**ports, **given})

    def with_free_ports(self) -> Self:
        """Return these settings with each port 0 replaced by a free port."""
        zeros = [name for name, value in self if name.endswith("_port") and value == 0]
        return self.model_copy(update=dict(zip(zeros, free_ports(len(zeros), host=self.host), strict=True)))

    def ports(self) -> dict[str, int]:
        """Return all ports by the name of their setting."""
        return {name: value for name, value in self if name.endswith("_port")}


def load_settings() -> StackSettings:
    """Read the settings from the environment and ``.env``.

    Raises:
        SettingsError: A value is invalid. The message names every such variable.
    """
    with reading_settings(StackSettings):
        return StackSettings()
