"""Gauges of a replica whose database does not answer, or not in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine

from tests.support.monitoring.metrics import Samples, parse_metrics
from tests.support.monitoring.rules import MONITORING
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import REPLICA, SettableClock
from uploader.disk.chunk_files import ChunkFiles
from uploader.errors import ManifestUnavailableError
from uploader.monitoring.metrics_page import MetricsPage
from uploader.monitoring.readiness import _PING_WITHIN_S, KafkaProbe, Readiness
from uploader.monitoring.replica_gauges import _QUERY_TIMEOUT_S, DiskLimits, ReplicaGauges
from uploader.store.audit import AuditStore
from uploader.store.database_guard import DatabaseGuard
from uploader.store.store import Store

_PROMETHEUS = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
SCRAPE_TIMEOUT_S = float(_PROMETHEUS["global"]["scrape_timeout"].removesuffix("s"))
"""A page that takes longer is lost."""


class Rig:
    """The page and the readiness of a replica with this store."""

    def __init__(self, store: Store, temp_dir: Path, *, query_timeout_s: float = 5.0) -> None:
        kafka = KafkaProbe(FakePublisher())
        kafka.run_pass()
        self.readiness = Readiness(kafka=kafka, store=store, files=ChunkFiles(temp_dir), min_free_disk_bytes=0)
        self.page = MetricsPage()
        self.page.show(
            ReplicaGauges(
                store=store,
                readiness=self.readiness,
                temp_dir=temp_dir,
                limits=DiskLimits(low=0, kept_free=0),
                replica=REPLICA,
                clock=SettableClock(),
                query_timeout_s=query_timeout_s,
            )
        )

    def scrape(self) -> Samples:
        return parse_metrics(self.page.render().decode())


@pytest.fixture
def silent_store() -> Iterator[Store]:
    """Give a store whose server accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql+psycopg://csvpipe@127.0.0.1:{listener.getsockname()[1]}/manifests"
        engine = create_engine(url, connect_args={"connect_timeout": 60})
        yield Store(engine, DatabaseGuard(), AuditStore(engine, replica="replica-0"))


def test_page_with_an_unresponsive_database_comes_within_the_scrape_timeout() -> None:
    assert _PING_WITHIN_S + _QUERY_TIMEOUT_S < SCRAPE_TIMEOUT_S


@pytest.fixture
def ping_within(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Give a function that sets how long the database may take to say that it is there."""
    return partial(monkeypatch.setattr, "uploader.monitoring.readiness._PING_WITHIN_S")


def test_unresponsive_database_leaves_the_rest_of_the_page(
    silent_store: Store, temp_dir: Path, ping_within: Callable[[float], None]
) -> None:
    ping_within(0.1)
    rig = Rig(silent_store, temp_dir)
    found = rig.scrape()
    assert (found["csvpipe_ready", "manifest"], found["csvpipe_ready", "disk"]) == (0, 1)
    assert found["csvpipe_disk_free_bytes",] > 0
    assert found["csvpipe_uploads_total", "accepted"] == 0
    assert ("csvpipe_outbox_chunks",) not in found
    answer = rig.readiness.answer()
    assert (answer.status, answer.manifest.ok) == ("not_ready", False)
    assert "0.1 s" in str(answer.manifest.why)


def test_count_that_takes_too_long_is_left_out(
    store: Store, temp_dir: Path, monkeypatch: pytest.MonkeyPatch, ping_within: Callable[[float], None]
) -> None:
    ping_within(60)
    counted = threading.Event()

    def count_slowly(**_: object) -> None:
        assert counted.wait(60)
        raise ManifestUnavailableError("the test has ended")

    monkeypatch.setattr(store.statistics, "count_chunks", count_slowly)
    found = Rig(store, temp_dir, query_timeout_s=0.1).scrape()
    counted.set()
    assert found["csvpipe_ready", "manifest"] == 1
    assert ("csvpipe_outbox_chunks",) not in found


def test_unavailable_database_leaves_the_rest_of_the_page(
    store: Store, temp_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ManifestUnavailableError("the test made it unavailable")

    monkeypatch.setattr(store, "ping", fail)
    found = Rig(store, temp_dir).scrape()
    assert found["csvpipe_ready", "manifest"] == 0
    assert ("csvpipe_outbox_chunks",) not in found
    assert found["csvpipe_disk_free_bytes",] > 0
