"""Gauges that are read at each scrape: the database, the disk and readiness of one replica. Nothing is cached.

All workers of a replica read the same database and disk, so these values are never summed over workers. Sum over
replicas for the totals.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts.states import ChunkState
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ManifestUnavailableError
from uploader.monitoring.readiness import Readiness, ReadyAnswer
from uploader.runtime.clock import Clock
from uploader.runtime.single_flight import SingleFlightCall
from uploader.store.statistics import ChunkStatistics
from uploader.store.store import Store

_QUERY_TIMEOUT_S = 5.0
"""With the ping before it (3 s) less than Prometheus' scrape_timeout of 10 s, which would lose the whole page."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """Limits in bytes of free space: ``low`` is LOW_DISK_MB, ``kept_free`` is MIN_FREE_DISK_MB."""

    low: int
    kept_free: int


@dataclass(frozen=True, kw_only=True)
class _DatabaseSnapshot:
    """The values of one scrape that come from the database."""

    chunks: ChunkStatistics
    check_ins: dict[str, datetime]


class ReplicaGauges(Collector):
    """Reads the gauges when they are collected (blocks). Unavailable values are left out; see ``csvpipe_ready``."""

    def __init__(
        self,
        *,
        store: Store,
        readiness: Readiness,
        temp_dir: Path,
        limits: DiskLimits,
        replica: ReplicaIdentity,
        clock: Clock,
        query_timeout_s: float = _QUERY_TIMEOUT_S,
    ) -> None:
        self._store = store
        self._readiness = readiness
        self._temp_dir = temp_dir
        self._limits = limits
        self._replica = replica
        self._clock = clock
        self._snapshot = SingleFlightCall(self._query, timeout_s=query_timeout_s)

    def collect(self) -> Iterator[Metric]:
        """Yield every gauge that has a value."""
        answer = self._readiness.answer()
        yield _ready(answer)
        yield from self._disk()
        if answer.manifest.ok:  # otherwise a query would wait for the same timeout again
            yield from self._manifest()

    def _disk(self) -> Iterator[Metric]:
        low, kept_free = self._limits.low, self._limits.kept_free
        yield GaugeMetricFamily(
            "csvpipe_disk_low_bytes",
            "Free bytes below which files of landed chunks are removed early: LOW_DISK_MB",
            value=low,
        )
        yield GaugeMetricFamily(
            "csvpipe_disk_kept_free_bytes", "Free bytes that no upload may use: MIN_FREE_DISK_MB", value=kept_free
        )
        try:
            usage = shutil.disk_usage(self._temp_dir)
        except OSError as error:
            _log.warning("Disk of TEMP_DIR cannot be measured", extra={"error": error.strerror})
            return
        yield GaugeMetricFamily("csvpipe_disk_free_bytes", "Free bytes on the disk of TEMP_DIR", value=usage.free)
        yield GaugeMetricFamily("csvpipe_disk_size_bytes", "Size of the disk of TEMP_DIR", value=usage.total)

    def _manifest(self) -> Iterator[Metric]:
        try:
            snapshot = self._snapshot()
        except ManifestUnavailableError as error:
            _log.warning("Chunks cannot be counted", extra={"error": error.detail})
            return
        yield from self._chunks(snapshot.chunks)
        check_ins = GaugeMetricFamily(
            "csvpipe_replica_last_seen_age_seconds",
            "Time since a replica's last check-in: this replica, and each with uploads that have not landed",
            labels=["replica"],
        )
        for name, seen_at in snapshot.check_ins.items():
            # Absolute: if the clock was set back, a check-in is in the future until the replica's next one.
            check_ins.add_metric([name], abs((self._clock() - seen_at).total_seconds()))
        yield check_ins

    def _query(self) -> _DatabaseSnapshot:
        name = self._replica.name
        chunks = self._store.statistics.count_chunks(replica=name)
        return _DatabaseSnapshot(chunks=chunks, check_ins=self._store.replicas.last_check_ins(replica=name))

    def _chunks(self, statistics: ChunkStatistics) -> Iterator[Metric]:
        chunks = GaugeMetricFamily(
            "csvpipe_chunks", "Chunks with a file on this replica's disk, by state", labels=["state"]
        )
        for state, number in statistics.chunks.items():
            chunks.add_metric([state.value], number)
        yield chunks
        yield GaugeMetricFamily(
            "csvpipe_outbox_chunks", "Chunks that wait to be announced", value=statistics.chunks[ChunkState.STORED]
        )
        yield GaugeMetricFamily(
            "csvpipe_outbox_oldest_age_seconds",
            "Age of the oldest upload that has chunks to announce; 0 if none has",
            value=self._age_s(statistics.oldest_in_outbox),
        )
        yield GaugeMetricFamily(
            "csvpipe_unlanded_oldest_age_seconds",
            "Time since the first announcement of the oldest chunk that has not landed; 0 if there is none",
            value=self._age_s(statistics.oldest_unlanded),
        )

    def _age_s(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._clock() - since).total_seconds())


def _ready(answer: ReadyAnswer) -> Metric:
    family = GaugeMetricFamily("csvpipe_ready", "1 if the check of /ready passes, else 0", labels=["check"])
    for name in ("kafka", "manifest", "disk"):
        family.add_metric([name], float(getattr(answer, name).ok))
    return family
