"""Prometheus' configuration for the local stack, derived from that of the repository."""

from __future__ import annotations

from typing import Any

import yaml

from stack.component import REPOSITORY, StackContext

CONFIG = REPOSITORY / "monitoring" / "prometheus" / "prometheus.yml"


def local_config(context: StackContext) -> str:
    """Return ``monitoring/prometheus/prometheus.yml`` with this stack's addresses and absolute paths."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    settings = context.settings
    ports = {
        "uploader": settings.uploader_port,
        "nifi": settings.nifi_port,
        "minio": settings.minio_port,
        "airflow": settings.statsd_exporter_port,
        "kafka": settings.kafka_exporter_port,
    }
    config["rule_files"] = [str((CONFIG.parent / pattern).resolve()) for pattern in config["rule_files"]]
    for job in config["scrape_configs"]:
        port = ports.get(job["job_name"])
        if port is not None:
            job["static_configs"] = [{"targets": [f"{settings.host}:{port}"]}]
    return yaml.safe_dump(config, sort_keys=False)
