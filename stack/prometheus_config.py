"""Prometheus' configuration for the local stack, derived from that of the repository."""

from __future__ import annotations

from typing import Any

import yaml

from stack.component import REPOSITORY, StackContext

_ENCRYPTED = frozenset({"uploader", "nifi", "minio"})
"""Jobs that are scraped by HTTPS in a secure stack. The exporters of Kafka and Airflow are reached by HTTP."""
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
        if context.secure and job["job_name"] in _ENCRYPTED:
            job |= {"scheme": "https", "tls_config": _tls_config(context)}
    return yaml.safe_dump(config, sort_keys=False)


def _tls_config(context: StackContext) -> dict[str, str]:
    """Return what to trust, and the certificate to identify with, which NiFi requires."""
    files = context.certificates.files("monitoring")
    return {"ca_file": str(context.ca_file), "cert_file": str(files.certificate), "key_file": str(files.key)}
