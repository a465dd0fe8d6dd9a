"""What is looked up when Prometheus asks: the database, the disk and readiness. Nothing is kept between two scrapes.

Whichever worker answers reads the same database and the same disk, so nothing of this is added up over workers. It is
this replica's part: that of all is the sum over replicas.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts.states import ChunkState
from uploader.clock import Clock
from uploader.errors import ManifestUnavailableError
from uploader.readiness import Readiness
from uploader.store.protocol import Store

_log = logging.getLogger(__name__)


class ReplicaGauges(Collector):
    """Measures when it is asked (blocks). What cannot be had is left out; ``csvpipe_ready`` then says why."""

    def __init__(self, *, store: Store, readiness: Readiness, temp_dir: Path, holder: str, clock: Clock) -> None:
        self._store = store
        self._readiness = readiness
        self._temp_dir = temp_dir
        self._holder = holder
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Give every gauge that has a value."""
        yield self._ready()
        yield from self._disk()
        yield from self._chunks()

    def _ready(self) -> Metric:
        answer = self._readiness.answer()
        family = GaugeMetricFamily("csvpipe_ready", "1 where what /ready looks at is well, else 0", labels=["check"])
        for name in ("kafka", "manifest", "disk"):
            family.add_metric([name], float(getattr(answer, name).ok))
        return family

    def _disk(self) -> Iterator[Metric]:
        try:
            usage = shutil.disk_usage(self._temp_dir)
        except OSError as error:
            _log.warning("The disk of TEMP_DIR cannot be measured: %s", error.strerror)
            return
        yield GaugeMetricFamily("csvpipe_disk_free_bytes", "Free bytes on the disk of TEMP_DIR", value=usage.free)
        yield GaugeMetricFamily("csvpipe_disk_size_bytes", "Size of the disk of TEMP_DIR", value=usage.total)

    def _chunks(self) -> Iterator[Metric]:
        try:
            tally = self._store.tally(holder=self._holder)
        except ManifestUnavailableError as error:
            _log.warning("Chunks cannot be counted: %s", error.detail)
            return
        chunks = GaugeMetricFamily(
            "csvpipe_chunks", "Chunks by state whose files are on this replica's disk", labels=["state"]
        )
        for state, number in tally.chunks.items():
            chunks.add_metric([state.value], number)
        yield chunks
        yield GaugeMetricFamily(
            "csvpipe_outbox_chunks", "Chunks that wait to be announced", value=tally.chunks[ChunkState.STORED]
        )
        yield GaugeMetricFamily(
            "csvpipe_outbox_oldest_age_seconds",
            "Age of the oldest upload that has chunks to announce; 0 where none has",
            value=self._age_s(tally.oldest_in_outbox),
        )
        yield GaugeMetricFamily(
            "csvpipe_unlanded_oldest_age_seconds",
            "Time since the oldest chunk that has not landed was announced first; 0 where none waits",
            value=self._age_s(tally.oldest_unlanded),
        )

    def _age_s(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._clock() - since).total_seconds())
