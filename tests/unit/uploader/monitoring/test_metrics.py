"""What the uploader counts: over HTTP, on a real SQLite file and a real disk, with a fake Kafka."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from contracts.names import BYTES_PER_MB
from tests.support.monitoring.metrics import Samples, read_metrics
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import SettableClock
from tests.support.waiting import wait_until
from uploader.assembly import Intervals
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.domain.transitions import announced, failed, landed, lost, relayed, renewed, reported_failed
from uploader.kafka.publisher import PublishResult
from uploader.monitoring.metrics import UploaderMetrics
from uploader.store.store import Store

REPLICA = "replica-0"
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 11))


@pytest.fixture
def uploader(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path) as running:
        yield running


def upload(uploader: RunningUploader, content: bytes = CSV, *, key: str | None = None) -> httpx.Response:
    return httpx.post(
        f"{uploader.base_url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=5",
        files={"file": ("people.csv", content)},
        headers={} if key is None else {"Idempotency-Key": key},
        trust_env=False,
    )


def scrape(uploader: RunningUploader) -> Samples:
    return read_metrics(f"{uploader.base_url}/metrics")


def test_accepted_upload_is_counted_once_with_its_size(uploader: RunningUploader) -> None:
    assert upload(uploader).status_code == 202
    found = scrape(uploader)
    assert found["csvpipe_uploads_total", "accepted"] == 1
    assert found["csvpipe_upload_bytes_total",] == len(CSV)
    assert found["csvpipe_upload_rows_total",] == 10
    assert found["csvpipe_upload_chunks_total",] == 2
    assert found["csvpipe_upload_file_size_bytes_sum",] == len(CSV)
    assert found["csvpipe_upload_chunking_duration_seconds_count",] == 1
    assert found["csvpipe_published_messages_total", "acknowledged"] == 2
    assert found["csvpipe_publish_duration_seconds_count",] == 1


def test_repeated_upload_counts_as_replayed_and_adds_no_bytes(uploader: RunningUploader) -> None:
    for _ in range(2):
        upload(uploader, key="the-key")
    found = scrape(uploader)
    assert (found["csvpipe_uploads_total", "accepted"], found["csvpipe_uploads_total", "replayed"]) == (1, 1)
    assert found["csvpipe_upload_bytes_total",] == len(CSV)


def test_refused_upload_counts_under_the_code_of_its_error(uploader: RunningUploader) -> None:
    answer = upload(uploader, b"id,name\n1,2,3\n")
    assert scrape(uploader)["csvpipe_uploads_total", answer.json()["code"]] == 1
    assert scrape(uploader)["csvpipe_upload_bytes_total",] == 0


def test_client_paths_are_not_labels(uploader: RunningUploader) -> None:
    with httpx.Client(base_url=uploader.base_url, trust_env=False) as client:
        client.get("/uploads/0123/status")
        client.get("/there/is/no/such/path")
        client.request("LINK", "/health")
    requests = {key: value for key, value in scrape(uploader).items() if key[0] == "csvpipe_http_requests_total"}
    assert requests == {
        ("csvpipe_http_requests_total", "GET", "/uploads/{upload_id}/status", "404"): 1,
        ("csvpipe_http_requests_total", "GET", "none", "404"): 1,
        ("csvpipe_http_requests_total", "other", "/health", "405"): 1,
    }


def test_failure_to_count_does_not_fail_the_upload(caplog: pytest.LogCaptureFixture) -> None:
    metrics = UploaderMetrics(CollectorRegistry())
    uncountable: Any = object()
    with metrics.upload() as outcome:
        outcome.record_chunked(uncountable)
        outcome.record_accepted(replayed=False)
    metrics.count_publish(uncountable, messages=1, duration_s=0.1)
    metrics.count_request(method="GET", route="/health", status="200", duration_s=uncountable)
    assert len([record for record in caplog.records if record.exc_info]) == 3


def test_unavailable_kafka_shows_in_readiness_outbox_and_messages(tmp_path: Path) -> None:
    clock = SettableClock()
    with running_uploader(tmp_path, publisher=FakePublisher(away=True), clock=clock) as uploader:
        assert upload(uploader).json()["status"] == "awaiting_kafka"
        clock.advance(seconds=90)
        found = scrape(uploader)
    assert (found["csvpipe_ready", "kafka"], found["csvpipe_ready", "manifest"]) == (0, 1)
    assert (found["csvpipe_outbox_chunks",], found["csvpipe_outbox_oldest_age_seconds",]) == (2, 90)
    assert found["csvpipe_published_messages_total", "failed"] >= 2
    assert found["csvpipe_chunks", "stored"] == 2


def test_landing_reported_twice_is_timed_once(tmp_path: Path) -> None:
    clock = SettableClock()
    with running_uploader(tmp_path, clock=clock) as uploader:
        upload_id = upload(uploader).json()["upload_id"]
        status = httpx.get(f"{uploader.base_url}/uploads/{upload_id}/status", trust_env=False).json()
        chunk = status["chunks"][0]
        clock.advance(seconds=30)
        assert scrape(uploader)["csvpipe_unlanded_oldest_age_seconds",] == 30
        for _ in range(2):
            told = {"state": "landed", "evidence": {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}}
            url = f"{uploader.base_url}/chunks/{upload_id}/1/state"
            assert httpx.put(url, json=told, trust_env=False).status_code == 200
            clock.advance(seconds=1)
        found = scrape(uploader)
    assert found["csvpipe_chunk_landing_duration_seconds_count",] == 1
    assert found["csvpipe_chunk_landing_duration_seconds_sum",] == 30
    assert (found["csvpipe_chunks", "landed"], found["csvpipe_chunks", "announced"]) == (1, 1)


def test_missing_disk_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'manifest.sqlite3'}"
    with running_uploader(tmp_path / "chunks", database_url=elsewhere) as uploader:
        assert scrape(uploader)["csvpipe_disk_free_bytes",] > 0
        (tmp_path / "chunks").rename(tmp_path / "away")
        found = scrape(uploader)
        (tmp_path / "away").rename(tmp_path / "chunks")
    assert found["csvpipe_ready", "disk"] == 0
    assert ("csvpipe_disk_free_bytes",) not in found
    assert found["csvpipe_outbox_chunks",] == 0


def test_disk_full_counter_starts_at_zero(tmp_path: Path) -> None:
    too_much_mb = shutil.disk_usage(tmp_path).total // BYTES_PER_MB
    with running_uploader(tmp_path, min_free_disk_mb=too_much_mb, low_disk_mb=too_much_mb + 1) as uploader:
        found = scrape(uploader)
        assert found["csvpipe_uploads_total", "disk_full"] == 0  # else the first one is no increase
        assert found["csvpipe_disk_kept_free_bytes",] == too_much_mb * BYTES_PER_MB
        assert found["csvpipe_disk_low_bytes",] == (too_much_mb + 1) * BYTES_PER_MB
        assert upload(uploader).status_code == 507
        assert scrape(uploader)["csvpipe_uploads_total", "disk_full"] == 1


class TestReplicas:
    """Ages of the last check-ins: a replica that is gone shows nothing itself."""

    @pytest.fixture
    def check_in(self, store: Store, clock: SettableClock) -> Callable[[str], None]:
        def check_in(replica: str) -> None:
            store.replicas.assign_disk(replica, f"disk of {replica}")
            store.replicas.check_in(replica, base_url=f"http://{replica}:8000", at=clock.now)

        return check_in

    def test_check_ins_include_this_replica_and_those_with_unlanded_chunks(
        self,
        store: Store,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
        check_in: Callable[[str], None],
    ) -> None:
        for replica in (REPLICA, "holds", "holds-failed", "has-landed", "was-deleted", "idle"):
            check_in(replica)
        create(replica="holds", chunks=1)
        create(replica="never-heard-of", chunks=1)
        given_up = create(replica="holds-failed", chunks=1)
        store.chunks.edit(given_up.upload_id, None, lambda chunk: lost(chunk, reason="it is a test"), at=clock.now)
        done = create(replica="has-landed", chunks=1)
        store.chunks.edit(done.upload_id, None, partial(land, clock=clock), at=clock.now)
        store.uploads.abort(create(replica="was-deleted", chunks=1).upload_id, force=True, at=clock.now)
        seen_at = clock.now
        clock.advance(seconds=5)
        check_in(REPLICA)
        assert store.replicas.last_check_ins(replica=REPLICA) == {
            REPLICA: clock.now,
            "holds": seen_at,
            "holds-failed": seen_at,
        }

    def test_missing_replica_shows_on_the_page_of_another(self, tmp_path: Path) -> None:
        clock = SettableClock()
        database_url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        start = partial(running_uploader, database_url=database_url, clock=clock, intervals=Intervals(check_in_s=0.01))
        with start(tmp_path / "0", replica_name="replica-0") as other:
            with start(tmp_path / "1", replica_name="replica-1") as gone:
                assert upload(gone).status_code == 202
            clock.advance(minutes=7)
            ages = ("csvpipe_replica_last_seen_age_seconds", "replica-0")
            wait_until(lambda: scrape(other)[ages] == 0, what="the one that is there checks in", deadline_s=30)
            assert scrape(other)["csvpipe_replica_last_seen_age_seconds", "replica-1"] == 420


def land(chunk: ChunkRecord, *, clock: SettableClock) -> ChunkRecord:
    return landed(chunk, evidence={"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}, at=clock.now)


def test_unexpected_error_counts_as_500(uploader: RunningUploader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader.runtime.service, "list_uploads", None)
    assert httpx.get(f"{uploader.base_url}/uploads", trust_env=False).status_code == 500
    assert scrape(uploader)["csvpipe_http_requests_total", "GET", "/uploads", "500"] == 1


class TestOldestUnlanded:
    """The oldest chunk that was announced and has not landed, whatever has happened to it since."""

    @pytest.fixture
    def upload(self, create: Callable[..., UploadRecord]) -> UploadRecord:
        return create(replica=REPLICA, chunks=1)

    @pytest.fixture
    def edit(self, store: Store, clock: SettableClock, upload: UploadRecord) -> Callable[..., None]:
        def edit(change: Callable[..., ChunkRecord], **given: object) -> None:
            store.chunks.edit(upload.upload_id, [1], lambda chunk: change(chunk, **given), at=clock.now)

        return edit

    def test_chunk_that_the_relay_gave_up_has_not_landed(
        self, store: Store, clock: SettableClock, edit: Callable[..., None]
    ) -> None:
        clock.advance(hours=2)  # Kafka was away
        announced_at = clock.now
        edit(announced, at=clock.now)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == announced_at
        clock.advance(seconds=1)
        edit(relayed, evidence={}, at=clock.now)
        clock.advance(minutes=10)
        edit(reported_failed, reason="it is a test", evidence={}, published_at=None, reannounce_limit=3)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == announced_at

    def test_repeated_announcements_do_not_reset_the_age(
        self, store: Store, clock: SettableClock, upload: UploadRecord, edit: Callable[..., None]
    ) -> None:
        for _ in range(3):
            clock.advance(minutes=1)
            edit(announced, at=clock.now)
            clock.advance(minutes=30)
            edit(renewed, by_hand=False)
            assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == upload.chunked_at
        edit(announced, at=clock.now)
        edit(failed, reason="it is a test")
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == upload.chunked_at

    def test_announcement_by_hand_resets_the_age(
        self, store: Store, clock: SettableClock, edit: Callable[..., None]
    ) -> None:
        edit(announced, at=clock.now)
        clock.advance(minutes=30)
        edit(renewed, by_hand=True)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded is None
        edit(announced, at=clock.now)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == clock.now

    def test_chunk_relayed_before_its_announcement_counts_from_the_relay(
        self, store: Store, clock: SettableClock, edit: Callable[..., None]
    ) -> None:
        clock.advance(seconds=5)
        edit(relayed, evidence={}, at=clock.now)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == clock.now

    @pytest.mark.parametrize("end", ["landed", "lost", "deleted"])
    def test_landed_lost_or_deleted_chunks_have_no_age(
        self, store: Store, clock: SettableClock, upload: UploadRecord, edit: Callable[..., None], end: str
    ) -> None:
        edit(announced, at=clock.now)
        if end == "deleted":
            store.uploads.abort(upload.upload_id, force=True, at=clock.now)
        elif end == "lost":
            edit(lost, reason="it is a test")
        else:
            edit(land, clock=clock)
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded is None

    def test_chunk_that_kafka_refused_was_never_announced(self, store: Store, edit: Callable[..., None]) -> None:
        edit(failed, reason="too large")
        assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded is None


def test_unacknowledged_messages_are_counted_as_failed() -> None:
    registry = CollectorRegistry()
    metrics = UploaderMetrics(registry)
    metrics.count_publish(PublishResult(acknowledged=[1, 2], refused={3: "too large"}), messages=5, duration_s=0.1)
    metrics.count_landing(timedelta(seconds=-1))  # two clocks: a landing takes no negative time
    counts = {r: registry.get_sample_value("csvpipe_published_messages_total", {"result": r}) for r in RESULTS}
    assert counts == {"acknowledged": 2, "refused": 1, "failed": 2}
    assert registry.get_sample_value("csvpipe_chunk_landing_duration_seconds_sum") == 0


RESULTS = ("acknowledged", "refused", "failed")
