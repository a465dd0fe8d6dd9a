from __future__ import annotations

import pytest

from contracts.states import ChunkState
from dags.modules.errors import (
    ChunksNotLandedError,
    ConfigurationError,
    StateRefusedError,
    StoreError,
    StoreRefusedError,
    UploadDeletedError,
)
from dags.modules.landing_monitor import LandingMonitor, raise_if_missing
from dags.modules.object_store import ExpectedChunk, ObjectCheck, ObjectStore
from dags.modules.uploader_client import UploaderClient
from tests.support.dags.fake_uploader import FakeUploader

UPLOAD = "1" * 32


class FakeStore:
    """A bucket whose contents a test sets."""

    bucket = "raw"

    def __init__(self) -> None:
        self.there: set[int] = set()
        self.unavailable = False
        self.refused = False
        self.sha256: str | None = None

    def check_all(self, chunks: list[ExpectedChunk]) -> list[ObjectCheck]:
        if self.unavailable:
            raise StoreError("HEAD raw/x: connection refused")
        if self.refused:
            raise StoreRefusedError("HEAD raw/x: 403")
        return [self._check(chunk) for chunk in chunks]

    def _check(self, chunk: ExpectedChunk) -> ObjectCheck:
        if chunk.chunk_id not in self.there:
            return ObjectCheck(chunk=chunk, fault="the object does not exist", evidence={})
        evidence = {"size_bytes": chunk.size_bytes, "sha256": self.sha256 or chunk.sha256}
        return ObjectCheck(chunk=chunk, fault=None, evidence=evidence)


@pytest.fixture
def fake_store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def monitor(fake_uploader: FakeUploader, fake_store: FakeStore) -> LandingMonitor:
    messages = fake_uploader.add_upload(UPLOAD, chunks=3)
    client = UploaderClient(base_url=fake_uploader.url, upload_id=UPLOAD)
    return LandingMonitor(
        store=fake_store,  # type: ignore[arg-type]  # the fake has what the monitor uses
        uploader=client,
        chunks=[ExpectedChunk.of(m) for m in messages],
    )


def test_each_landed_chunk_is_reported(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader
) -> None:
    assert monitor.check() == 0
    fake_store.there = {1, 3}
    assert monitor.check() == 2
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED, ChunkState.ANNOUNCED, ChunkState.LANDED]
    assert [chunk.chunk_id for chunk in monitor.pending] == [2]


def test_unavailable_store_leaves_chunks_pending(monitor: LandingMonitor, fake_store: FakeStore) -> None:
    fake_store.unavailable = True
    assert monitor.check() == 0
    assert all("connection refused" in line for line in monitor.describe_missing())
    fake_store.unavailable, fake_store.there = False, {1, 2, 3}
    assert monitor.check() == 3
    assert monitor.pending == []


def test_key_that_was_replaced_during_the_wait_is_used(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader
) -> None:
    opened: list[FakeStore] = []

    def reopen() -> FakeStore:
        opened.append(FakeStore())
        opened[-1].there = {1, 2, 3}
        return opened[-1]

    waiting = LandingMonitor(
        store=fake_store,  # type: ignore[arg-type]  # the fake has what the monitor uses
        uploader=UploaderClient(base_url=fake_uploader.url, upload_id=UPLOAD),
        chunks=monitor.pending,
        reopen_store=reopen,  # type: ignore[arg-type]  # likewise
    )
    assert waiting.check() == 0
    fake_store.refused = True
    assert waiting.check() == 3
    assert (waiting.pending, len(opened)) == ([], 1)


def test_connection_without_a_usable_key_leaves_chunks_pending(monitor: LandingMonitor, fake_store: FakeStore) -> None:
    def reopen() -> ObjectStore:
        raise ConfigurationError("connection s3_raw needs both login and password")

    waiting = LandingMonitor(
        store=fake_store,  # type: ignore[arg-type]  # the fake has what the monitor uses
        uploader=UploaderClient(base_url="http://127.0.0.1:1", upload_id=UPLOAD),
        chunks=monitor.pending,
        reopen_store=reopen,
    )
    fake_store.refused = True
    assert waiting.check() == 0
    assert all("s3_raw" in line for line in waiting.describe_missing())


def test_unavailable_uploader_leaves_the_chunk_pending(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_store.there = {1, 2, 3}
    with monkeypatch.context() as broken:
        broken.setattr(fake_uploader, "answer", lambda *_: (500, {}))
        assert monitor.check() == 0
    assert "uploader did not accept" in monitor.describe_missing()[0]
    assert monitor.check() == 3


def test_chunks_of_a_deleted_upload_are_not_pending(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader
) -> None:
    fake_store.there = {1, 2, 3}
    fake_uploader.states.clear()
    assert monitor.check() == 3
    assert monitor.pending == []


def test_refused_evidence_is_an_error(monitor: LandingMonitor, fake_store: FakeStore) -> None:
    fake_store.there, fake_store.sha256 = {1}, "0" * 64
    with pytest.raises(StateRefusedError, match="evidence_mismatch"):
        monitor.check()


def test_pending_chunks_are_reported_as_failed_with_the_reason(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader
) -> None:
    fake_store.there = {2}
    monitor.check()
    missing = monitor.report_failed()
    assert [line.split(":")[0] for line in missing] == [
        "chunk 1 (flights/flights_chunk_001_20260131T235959123456Z.csv)",
        "chunk 3 (flights/flights_chunk_003_20260131T235959123456Z.csv)",
    ]
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.FAILED, ChunkState.LANDED, ChunkState.FAILED]
    assert fake_uploader.reasons[UPLOAD, 1] == "the object does not exist"
    message = fake_uploader.messages[UPLOAD, 1]
    assert fake_uploader.failed_at[UPLOAD, 1] == message.published_at, "there may be a newer one"


def test_unavailable_uploader_does_not_stop_the_failure(
    monitor: LandingMonitor, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_uploader, "answer", lambda *_: (500, {}))
    assert len(monitor.report_failed()) == 3


def test_unavailable_uploader_is_called_once_per_check(
    monitor: LandingMonitor, fake_store: FakeStore, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute for each of 500 chunks would be hours, past every deadline."""
    fake_store.there = {1, 2, 3}
    monkeypatch.setattr(fake_uploader, "answer", lambda *_: (500, {}))
    assert monitor.check() == 0
    assert len(fake_uploader.requests) == 1
    assert all("uploader did not accept" in line for line in monitor.describe_missing())
    fake_uploader.requests.clear()
    assert len(monitor.report_failed()) == 3
    assert len(fake_uploader.requests) == 1


def test_refused_report_of_one_chunk_does_not_stop_the_others(
    monitor: LandingMonitor, fake_uploader: FakeUploader
) -> None:
    fake_uploader.states[UPLOAD, 1] = ChunkState.LANDED
    assert len(monitor.report_failed()) == 3
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED, ChunkState.FAILED, ChunkState.FAILED]


@pytest.mark.parametrize("forgotten", [True, False])
def test_deleted_upload_is_not_reported_as_failed(
    monitor: LandingMonitor, fake_uploader: FakeUploader, forgotten: bool
) -> None:
    if forgotten:
        fake_uploader.states.clear()
    else:
        fake_uploader.aborted.add(UPLOAD)
    with pytest.raises(UploadDeletedError):
        monitor.report_failed()


def test_missing_chunks_fail_the_task() -> None:
    with pytest.raises(ChunksNotLandedError, match="chunk 7"):
        raise_if_missing(["chunk 7 (k): the object does not exist"], 600)
    raise_if_missing([], 600)
