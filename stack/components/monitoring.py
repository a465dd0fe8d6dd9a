"""What Prometheus scrapes beside the services themselves: Airflow's StatsD metrics, and Kafka's consumer groups."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.dist import build_once
from stack.golang import go_install
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
            report("compiling statsd_exporter: a minute, once")
            go_install(f"{_MODULE}@{version('statsd-exporter')}", into=into, report=report)

        build_once(self._context.dist, self._dist_name, version("statsd-exporter"), compile_exporter)

    def configure(self) -> None:
        """Need nothing on disk: the mapping lies in the repository."""

    def processes(self) -> list[ProcessSpec]:
        """Return the two exporters."""
        return [self._statsd(), self._kafka()]

    def after_start(self, report: Report) -> None:
        """Need nothing more."""

    def addresses(self) -> dict[str, str]:
        """Return where the two are scraped."""
        return {"airflow": f"{self._url('statsd')}/metrics", "kafka": f"{self._url('kafka')}/metrics"}

    def note(self) -> str | None:
        """Return how to have everything scraped."""
        return "csvpipe stack prometheus > prometheus.yml"

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
                f"--bootstrap={settings.host}:{settings.kafka_port}",
                f"--address={settings.host}",
                f"--port={settings.kafka_exporter_port}",
            ],
            env={"PYTHONPATH": str(REPOSITORY), "PATH": os.environ.get("PATH", "")},
            cwd=self._context.data_dir(self.name),
            ready=self._kafka_missing,
            host=settings.host,
            ports=(settings.kafka_exporter_port,),
        )

    def _kafka_missing(self) -> str | None:
        """Ask whether it listens, and not for its page: that waits for Kafka, which may come up later."""
        settings = self._context.settings
        with socket.create_connection((settings.host, settings.kafka_exporter_port), timeout=1):
            return None
