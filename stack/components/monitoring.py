"""Monitoring component: exporters of Airflow's StatsD metrics and of Kafka's consumer groups."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.dist import build_once
from stack.golang import go_install
from stack.kafka_users import client_properties
from stack.private_file import write_private
from stack.probes import http_ok
from stack.versions import version

STATSD_MAPPING = REPOSITORY / "monitoring" / "statsd" / "mapping.yml"
_MODULE = "github.com/prometheus/statsd_exporter"


class Monitoring:
    """statsd_exporter, and this project's exporter of Kafka's offsets."""

    name = "monitoring"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._dist_name = f"statsd-exporter-{version('statsd-exporter')}"

    def prepare(self, report: Report) -> None:
        """Compile statsd_exporter."""

        def compile_exporter(into: Path) -> None:
            report("compiling statsd_exporter (once; a minute)")
            go_install(f"{_MODULE}@{version('statsd-exporter')}", into=into, report=report)

        build_once(self._context.dist, self._dist_name, version("statsd-exporter"), compile_exporter)

    def configure(self) -> None:
        """Write how the exporter connects to Kafka. The mapping for StatsD is in the repository."""
        write_private(self._kafka_client, json.dumps(client_properties(self._context, "monitoring")))

    def processes(self) -> list[ProcessSpec]:
        """Return the two exporters."""
        return [self._statsd(), self._kafka()]

    def after_start(self, report: Report) -> None:
        """Do nothing."""

    def addresses(self) -> dict[str, str]:
        """Return the addresses of the metrics."""
        return {"airflow": f"{self._url('statsd')}/metrics", "kafka": f"{self._url('kafka')}/metrics"}

    def description(self) -> str:
        """Return the command that prints Prometheus' configuration."""
        return "csvpipe stack prometheus > prometheus.yml"

    @property
    def _kafka_client(self) -> Path:
        return self._context.config_dir(self.name) / "kafka-client.json"

    def _url(self, which: str) -> str:
        settings = self._context.settings
        port = {"statsd": settings.statsd_exporter_port, "kafka": settings.kafka_exporter_port}[which]
        return f"http://{settings.host}:{port}"

    def _statsd(self) -> ProcessSpec:
        settings = self._context.settings
        return ProcessSpec(
            name="statsd-exporter",
            argv=[
                str(self._context.dist / self._dist_name / "statsd_exporter"),
                f"--statsd.mapping-config={STATSD_MAPPING}",
                f"--statsd.listen-udp={settings.host}:{settings.statsd_port}",
                "--statsd.listen-tcp=",
                f"--web.listen-address={settings.host}:{settings.statsd_exporter_port}",
            ],
            cwd=self._context.data_dir(self.name),
            ready=lambda: http_ok(f"{self._url('statsd')}/-/ready"),
            host=settings.host,
            ports=(settings.statsd_exporter_port,),
        )

    def _kafka(self) -> ProcessSpec:
        settings = self._context.settings
        return ProcessSpec(
            name="kafka-exporter",
            argv=[
                sys.executable,
                "-m",
                "stack.kafka_exporter",
                f"--client={self._kafka_client}",
                f"--address={settings.host}",
                f"--port={settings.kafka_exporter_port}",
            ],
            env={"PYTHONPATH": str(REPOSITORY), "PATH": os.environ.get("PATH", "")},
            cwd=self._context.data_dir(self.name),
            ready=self._probe_kafka_exporter,
            host=settings.host,
            ports=(settings.kafka_exporter_port,),
        )

    def _probe_kafka_exporter(self) -> str | None:
        """Check that the port is open. A request for metrics would wait for Kafka, which can start later."""
        settings = self._context.settings
        with socket.create_connection((settings.host, settings.kafka_exporter_port), timeout=1):
            return None
