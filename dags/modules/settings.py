"""The few settings that shape the DAGs themselves, so they are read from the environment when the DAGs are parsed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

from dags.modules.errors import ConfigurationError

CONN_KAFKA = "kafka_csv_ingestion"
CONN_NIFI = "nifi_rest_api"
CONN_S3 = "s3_raw"
CONN_AIRFLOW = "airflow_api"
CONN_ALERTS = "csv_ingestion_alerts"
VARIABLE_ALLOWED_HOSTS = "csv_ingestion_allowed_hosts"
POOL_MONITORING = "nifi_monitoring"

ENV_OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Where the tasks send spans to; the same variable that the uploader reads, and every OpenTelemetry SDK."""

LONGEST_RETRY_DELAY = timedelta(minutes=1)
"""With 20 retries from 5 s on, an outage of 17 minutes is bridged."""

DRAIN_MAX_MESSAGES = 500
"""Messages in one batch: a run's conf has some 600 bytes a chunk, and the UI loads the conf of every run it lists."""
DRAIN_MAX_BYTES = 4 * 1024 * 1024
"""Message bytes in one batch: files with thousands of columns repeat their header in every message."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Whole numbers only; each field is the variable ``CSV_INGESTION_{NAME}``."""

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
        """Tries after the first that Airflow has to allow a task of the ingestion."""
        return max(self.retries, self.transient_retries)

    @property
    def transient_retry_delay(self) -> timedelta:
        """Wait after the first transient error; it doubles up to ``LONGEST_RETRY_DELAY``."""
        return timedelta(seconds=self.transient_retry_delay_s)

    @property
    def retry_delay(self) -> timedelta:
        """Wait between tries of the ingestion after an error that is not transient."""
        return timedelta(seconds=self.retry_delay_s)

    @property
    def listener_retry_delay(self) -> timedelta:
        """Wait between tries of the listener."""
        return timedelta(seconds=self.listener_retry_delay_s)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: a value is not a whole number from 0 (from 1 for the deadline and the runs).
    """
    values: dict[str, int] = {}
    for field in fields(Settings):
        name = f"CSV_INGESTION_{field.name.upper()}"
        text = environ.get(name)
        if text is None or not text.strip():
            continue
        least = 1 if field.name in {"landing_deadline_s", "max_active_runs"} else 0
        if not text.strip().isdecimal() or int(text) < least:
            raise ConfigurationError(f"{name}={text!r} must be a whole number from {least}", setting=name)
        values[field.name] = int(text)
    return Settings(**values)
