"""A job's metrics for Prometheus, as text at ``/metrics``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sequencer.metrics.job_metrics import METRICS, Metric, measure
from sequencer.model.progress import Progress

PrometheusFamily = CounterMetricFamily | GaugeMetricFamily


class JobCollector(Collector):
    """Measures when it is asked; rates are those since the start, as Prometheus makes its own of the counters.

    Nothing is kept between two scrapes: several may scrape, and each has its own pace.
    """

    def __init__(self, *, cost_per_hour: float) -> None:
        self._cost_per_hour = cost_per_hour
        self._jobs: list[tuple[str, Progress]] = []

    def add(self, job_id: str, progress: Progress) -> None:
        """Show the counters of one more job."""
        self._jobs.append((job_id, progress))

    def collect(self) -> Iterator[PrometheusFamily]:
        """Give every metric, with a value for each job."""
        now = time.time()
        measured = [
            (job_id, measure(progress, now=now, before=None, cost_per_hour=self._cost_per_hour))
            for job_id, progress in self._jobs
        ]
        for metric in METRICS:
            family = _family(prometheus_name(metric))
            for job_id, values in measured:
                if metric in values:
                    family.add_metric([job_id], values[metric] * _SCALES.get(metric, 1))
            yield family
        sent = _family(_BYTES_SENT)
        for job_id, progress in self._jobs:
            sent.add_metric([job_id], progress.bytes_sent)
        yield sent


def prometheus_name(metric: Metric) -> str:
    """Return ``csvpipe_sequencer_records_sent_total`` for ``RecordsSent``: counters end like that."""
    spelled = _NAMES.get(metric) or re.sub(r"(?=[A-Z])", "_", metric.value).lower().removeprefix("_")
    return f"csvpipe_sequencer_{spelled}{'_total' if metric in _COUNTERS else ''}"


def _family(name: str) -> PrometheusFamily:
    """Return a metric without values; its type follows from its name."""
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(name, MEANINGS[name], labels=["job_id"])


_COUNTERS = frozenset({Metric.RECORDS_SENT, Metric.RETRIES, Metric.ERRORS, Metric.DEAD_LETTERS})
_NAMES = {Metric.PERCENT_READ: "read_ratio", Metric.ROUND_TRIP_MS: "round_trip_seconds"}
_SCALES = {Metric.PERCENT_READ: 0.01, Metric.ROUND_TRIP_MS: 0.001}
"""CloudWatch has percent and milliseconds."""
_BYTES_SENT = "csvpipe_sequencer_bytes_sent_total"
"""Here alone: CloudWatch gets the rate itself, Prometheus makes it of this."""
MEANINGS = {
    **{prometheus_name(metric): described.meaning for metric, described in METRICS.items()},
    prometheus_name(Metric.RETRIES): "Trouble that Kafka's client has got over",
    prometheus_name(Metric.ERRORS): "Attempts of the job that have failed in this process",
    prometheus_name(Metric.DEAD_LETTERS): "Rows that this process has sent to the dead-letter topic",
    prometheus_name(Metric.RECORDS_PER_SECOND): "Records acknowledged a second, the mean since the start",
    prometheus_name(Metric.BYTES_PER_SECOND): "Their bytes as JSON a second, the mean since the start",
    prometheus_name(Metric.PERCENT_READ): "How much of the source, as stored, was read, from 0 to 1",
    _BYTES_SENT: "Bytes as JSON of the records acknowledged by this process",
}
"""The meaning of every metric on the page, by its name there."""


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
