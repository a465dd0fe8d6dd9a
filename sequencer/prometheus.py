"""A job's metrics for Prometheus, as text at ``/metrics``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sequencer.metrics import METRICS, Metric, measure
from sequencer.model import Progress


class JobCollector(Collector):
    """Measures when it is asked; rates are those since the start, as Prometheus makes its own of the counters."""

    def __init__(self, *, cost_per_hour: float) -> None:
        self._cost_per_hour = cost_per_hour
        self._jobs: list[tuple[str, Progress]] = []

    def add(self, job_id: str, progress: Progress) -> None:
        """Show the counters of one more job."""
        self._jobs.append((job_id, progress))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give every metric, with a value for each job."""
        now = time.time()
        measured = [
            (job_id, measure(progress, now=now, before=None, cost_per_hour=self._cost_per_hour))
            for job_id, progress in self._jobs
        ]
        for metric, described in METRICS.items():
            family = GaugeMetricFamily(prometheus_name(metric), described.meaning, labels=["job_id"])
            for job_id, values in measured:
                if metric in values:
                    family.add_metric([job_id], values[metric])
            yield family


def prometheus_name(metric: Metric) -> str:
    """Return ``csvpipe_sequencer_records_sent`` for ``RecordsSent``."""
    return "csvpipe_sequencer" + re.sub(r"(?=[A-Z])", "_", metric.value).lower()


@contextmanager
def serving_metrics(collector: Collector, *, port: int, address: str = "0.0.0.0") -> Iterator[int]:  # noqa: S104  scraped from outside
    """Serve ``collector`` as long as the context lasts; give the port, which is a free one for 0."""
    registry = CollectorRegistry()
    registry.register(collector)
    server, thread = start_http_server(port, addr=address, registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
