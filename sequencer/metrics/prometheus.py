"""Prometheus endpoint with a job's metrics, at ``/metrics``."""

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
    """Measures at each scrape; rates are averages since the start, as Prometheus derives its own from the counters.

    No state is kept between scrapes, so several servers may scrape at their own intervals.
    """

    def __init__(self, *, cost_per_hour: float) -> None:
        self._cost_per_hour = cost_per_hour
        self._jobs: list[tuple[str, Progress]] = []

    def add(self, job_id: str, progress: Progress) -> None:
        """Add the counters of a job."""
        self._jobs.append((job_id, progress))

    def collect(self) -> Iterator[PrometheusFamily]:
        """Yield every metric, with a value for each job."""
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
    """Return the Prometheus name of a metric, such as ``csvpipe_sequencer_records_sent_total`` for ``RecordsSent``."""
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
"""Only here: CloudWatch gets the rate, Prometheus derives it from this counter."""
MEANINGS = {
    **{prometheus_name(metric): described.meaning for metric, described in METRICS.items()},
    prometheus_name(Metric.RETRIES): "Errors that the Kafka client has recovered from",
    prometheus_name(Metric.ERRORS): "Failed attempts of the job in this process",
    prometheus_name(Metric.DEAD_LETTERS): "Rows sent to the dead-letter topic by this process",
    prometheus_name(Metric.RECORDS_PER_SECOND): "Records acknowledged per second, average since the start",
    prometheus_name(Metric.BYTES_PER_SECOND): "Bytes of these records, as JSON, per second, average since the start",
    prometheus_name(Metric.PERCENT_READ): "Share of the source, as stored, that was read, from 0 to 1",
    _BYTES_SENT: "Bytes of the records acknowledged by this process, as JSON",
}
"""Help text of every metric, by its Prometheus name."""


@contextmanager
def serving_metrics(collector: Collector, *, port: int, address: str = "0.0.0.0") -> Iterator[int]:  # noqa: S104  scraped from outside
    """Serve ``collector`` as long as the context lasts; yield the port, which is a free one if 0 was given."""
    registry = CollectorRegistry()
    registry.register(collector)
    server, thread = start_http_server(port, addr=address, registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
