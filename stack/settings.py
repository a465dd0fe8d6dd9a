"""Settings of the local stack: ports, sizes and credentials, from ``STACK_*`` variables or ``.env``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.settings import reading_settings
from stack.ports import free_ports

Port = Annotated[int, Field(ge=0, le=65535)]


class StackSettings(BaseSettings):
    """Settings of one local stack. A port of 0 stands for any free port."""

    model_config = SettingsConfigDict(env_prefix="STACK_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address that everything binds to, and is reached at")
    kafka_port: Port = Field(9092, description="Kafka's clients")
    kafka_controller_port: Port = Field(9093, description="Kafka's own controller")
    kafka_heap_mb: int = Field(512, ge=128, description="heap of Kafka in megabytes")
    kafka_options: dict[str, str] = Field({}, description="more lines of server.properties, as a JSON object")
    minio_port: Port = Field(9000, description="MinIO's S3 API")
    minio_console_port: Port = Field(9001, description="MinIO's console")
    minio_root_user: str = Field("csvpipe", min_length=3, description="MinIO's user, also the S3 access key")
    minio_root_password: SecretStr | None = Field(None, description="made for each stack where it is not given")
    nifi_port: Port = Field(8081, description="NiFi's API and UI")
    nifi_ingest_port: Port = Field(10000, description="the flow's ListenHTTP")
    nifi_management_port: Port = Field(8082, description="NiFi's own health and shutdown port")
    nifi_heap_mb: int = Field(1024, ge=256, description="heap of NiFi in megabytes")
    airflow_port: Port = Field(8080, description="Airflow's API and UI")
    airflow_worker_log_port: Port = Field(8793, description="logs of running tasks, for the UI")
    airflow_trigger_log_port: Port = Field(8794, description="logs of running triggers, for the UI")
    airflow_parallelism: int = Field(6, ge=2, description="task processes at the same time")
    airflow_environment: dict[str, str] = Field({}, description="more variables for Airflow, as a JSON object")
    uploader_port: Port = Field(8000, description="the uploader's API")
    uploader_workers: int = Field(2, ge=1, description="worker processes of the uploader")
    statsd_port: Port = Field(9125, description="UDP, where Airflow sends its metrics")
    statsd_exporter_port: Port = Field(9102, description="Airflow's metrics, for Prometheus")
    kafka_exporter_port: Port = Field(9308, description="Kafka's metrics, for Prometheus")
    uploader_environment: dict[str, str] = Field({}, description="more variables for the uploader, as a JSON object")

    @field_validator("host")
    @classmethod
    def _is_one_place(cls, host: str) -> str:
        """Refuse what one can listen on and not connect to; the components name each other by this address."""
        try:
            address = ip_address(host)
        except ValueError:
            if host and not set(host) & set(":/ "):
                return host
            raise ValueError("must be an IPv4 address or a host name, without a port") from None
        if address.version != 4 or address.is_unspecified:
            raise ValueError("must be one IPv4 address of this machine: a wildcard cannot be connected to")
        return host

    @classmethod
    def on_free_ports(cls, **given: Any) -> Self:  # noqa: ANN401 - any field of this class
        """Return settings with a free port for everything, whatever the environment and ``.env`` say of ports."""
        ports: dict[str, Any] = {name: 0 for name in cls.model_fields if name.endswith("_port")}
        return cls(**{**ports, **given})

    def with_free_ports(self) -> Self:
        """Return these settings with a free port in the place of each 0."""
        zeros = [name for name, value in self if name.endswith("_port") and value == 0]
        return self.model_copy(update=dict(zip(zeros, free_ports(len(zeros), host=self.host), strict=True)))

    def ports(self) -> dict[str, int]:
        """Return every port by the name of its setting."""
        return {name: value for name, value in self if name.endswith("_port")}


def load_settings() -> StackSettings:
    """Read the settings from the environment and ``.env``.

    Raises:
        SettingsError: a value breaks its rule; every such variable is named.
    """
    with reading_settings(prefix="STACK_"):
        return StackSettings()
