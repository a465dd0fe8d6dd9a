"""What is looked up when Prometheus asks: the database, the disk and readiness. Nothing is kept between two scrapes.

Whichever worker answers reads the same database and the same disk, so nothing of this is added up over workers. It is
this replica's part: that of all is the sum over replicas.
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
from uploader.store.protocol import Store, UploadStatistics

_LOOK_WITHIN_S = 5.0
"""With the ping before it (3 s) still within Prometheus' scrape_timeout of 10 s; else the whole page would be lost."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """Free bytes below which something happens: ``low`` is LOW_DISK_MB, ``kept_free`` MIN_FREE_DISK_MB."""

    low: int
    kept_free: int


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What the database told: the chunks of this replica, and when it heard of others."""

    tally: UploadStatistics
    seen: dict[str, datetime]


class ReplicaGauges(Collector):
    """Measures when it is asked (blocks). What cannot be had is left out; ``csvpipe_ready`` then says why."""

    def __init__(
        self,
        *,
        store: Store,
        readiness: Readiness,
        temp_dir: Path,
        limits: DiskLimits,
        replica: ReplicaIdentity,
        clock: Clock,
    ) -> None:
        self._store = store
        self._readiness = readiness
        self._temp_dir = temp_dir
        self._limits = limits
        self._replica = replica
        self._clock = clock
        self._look = SingleFlightCall(self._look_up, timeout_s=_LOOK_WITHIN_S)

    def collect(self) -> Iterator[Metric]:
        """Give every gauge that has a value."""
        answer = self._readiness.answer()
        yield _ready(answer)
        yield from self._disk()
        if answer.manifest.ok:  # else it would be asked, and waited for, once more
            yield from self._manifest()

    def _disk(self) -> Iterator[Metric]:
        low, kept_free = self._limits.low, self._limits.kept_free
        yield GaugeMetricFamily(
            "csvpipe_disk_low_bytes", "Free bytes below which landed chunks go at once: LOW_DISK_MB", value=low
        )
        yield GaugeMetricFamily(
            "csvpipe_disk_kept_free_bytes", "Free bytes that no upload takes: MIN_FREE_DISK_MB", value=kept_free
        )
        try:
            usage = shutil.disk_usage(self._temp_dir)
        except OSError as error:
            _log.warning("The disk of TEMP_DIR cannot be measured: %s", error.strerror)
            return
        yield GaugeMetricFamily("csvpipe_disk_free_bytes", "Free bytes on the disk of TEMP_DIR", value=usage.free)
        yield GaugeMetricFamily("csvpipe_disk_size_bytes", "Size of the disk of TEMP_DIR", value=usage.total)

    def _manifest(self) -> Iterator[Metric]:
        try:
            found = self._look()
        except ManifestUnavailableError as error:
            _log.warning("Chunks cannot be counted: %s", error.detail)
            return
        yield from self._chunks(found.tally)
        replicas = GaugeMetricFamily(
            "csvpipe_replica_last_seen_age_seconds",
            "Time since a replica checked in last: this one, and each that holds uploads that have not landed",
            labels=["replica"],
        )
        for replica, seen_at in found.seen.items():
            # In the future counts as well: the clock was put back, and a replica that lives has checked in since.
            replicas.add_metric([replica], abs((self._clock() - seen_at).total_seconds()))
        yield replicas

    def _look_up(self) -> _Look:
        tally = self._store.tally(replica=self._replica.name)
        return _Look(tally=tally, seen=self._store.watched_replicas(replica=self._replica.name))

    def _chunks(self, tally: UploadStatistics) -> Iterator[Metric]:
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


def _ready(answer: ReadyAnswer) -> Metric:
    family = GaugeMetricFamily("csvpipe_ready", "1 where what /ready looks at is well, else 0", labels=["check"])
    for name in ("kafka", "manifest", "disk"):
        family.add_metric([name], float(getattr(answer, name).ok))
    return family
