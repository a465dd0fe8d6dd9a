"""The metrics page for Prometheus: counters of all workers, and gauges that are read at each scrape."""

from __future__ import annotations

import logging
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from uploader.monitoring.metrics import UploaderMetrics
from uploader.monitoring.multiprocess import join_shared_counters

_log = logging.getLogger(__name__)


class MetricsPage:
    """The counters of one application; :meth:`show` adds collectors that are read at each scrape."""

    def __init__(self) -> None:
        self._shared: Path | None = join_shared_counters()
        self._own = CollectorRegistry()
        self._measured = CollectorRegistry()
        self.metrics = UploaderMetrics(self._own)

    def show(self, collector: Collector) -> None:
        """Read ``collector`` at each scrape."""
        self._measured.register(collector)

    def render(self) -> bytes:
        """Return the page in Prometheus' text format (blocks)."""
        return generate_latest(self._counters()) + generate_latest(self._measured)

    def _counters(self) -> CollectorRegistry:
        if self._shared is None:
            return self._own
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._shared))  # type: ignore[no-untyped-call]  # the library's
        return registry
