"""Settings of the DAGs, read from the environment when the DAGs are parsed, and names of connections."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

from dags.modules.errors import ConfigurationError

CONN_KAFKA = "kafka_csv_ingestion"
CONN_NIFI = "nifi_rest_api"
CONN_S3 = "s3_raw"
CONN_UPLOADER = "csv_uploader"
CONN_AIRFLOW = "airflow_api"
CONN_ALERTS = "csv_ingestion_alerts"
VARIABLE_ALLOWED_HOSTS = "csv_ingestion_allowed_hosts"
POOL_MONITORING = "nifi_monitoring"

ENV_OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OTLP endpoint for the spans of the tasks. The uploader and all OpenTelemetry SDKs read the same variable."""

MAX_RETRY_DELAY = timedelta(minutes=1)
"""With 20 retries starting at 5 s, tasks survive an outage of 17 minutes."""

DRAIN_MAX_MESSAGES = 500
"""Messages per batch: a run's conf has about 600 bytes per chunk, and the UI loads the conf of every listed run."""
DRAIN_MAX_BYTES = 4 * 1024 * 1024
"""Message bytes per batch: files with thousands of columns repeat their header in every message."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the DAGs. Each field is a whole number, read from the variable ``CSV_INGESTION_{NAME}``."""

    retries: int = 3
    retry_delay_s: int = 300
    transient_retries: int = 20
    transient_retry_delay_s: int = 5
    listener_retries: int = 10
    listener_retry_delay_s: int = 5
    landing_deadline_s: int = 600
    max_active_runs: int = 32

    @property
    def all_retries(self) -> int:
        """Retries that Airflow has to allow a chunk task: the larger limit of the retry policy."""
        return max(self.retries, self.transient_retries)

    @property
    def transient_retry_delay(self) -> timedelta:
        """Wait after the first transient error. It doubles with each retry, up to ``MAX_RETRY_DELAY``."""
        return timedelta(seconds=self.transient_retry_delay_s)

    @property
    def retry_delay(self) -> timedelta:
        """Wait between retries of a chunk task after an error that is not transient."""
        return timedelta(seconds=self.retry_delay_s)

    @property
    def listener_retry_delay(self) -> timedelta:
        """Wait between retries of the listener's tasks."""
        return timedelta(seconds=self.listener_retry_delay_s)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment. Unset and blank variables keep their defaults.

    Raises:
        ConfigurationError: A value is not a whole number of at least 0 (1 for the deadline and the active runs).
    """
    values: dict[str, int] = {}
    for field in fields(Settings):
        name = f"CSV_INGESTION_{field.name.upper()}"
        text = environ.get(name)
        if text is None or not text.strip():
            continue
        minimum = 1 if field.name in {"landing_deadline_s", "max_active_runs"} else 0
        if not text.strip().isdecimal() or int(text) < minimum:
            raise ConfigurationError(f"{name} must be a whole number >= {minimum}, got {text!r}", setting=name)
        values[field.name] = int(text)
    return Settings(**values)
