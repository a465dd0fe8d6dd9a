from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from contracts.states import ChunkState
from dags.modules.landing_monitor import LandingMonitor
from dags.modules.landing_trigger import LandingTrigger, wait_until_landed
from dags.modules.object_store import ExpectedChunk, ObjectCheck
from dags.modules.uploader_client import UploaderClient
from tests.support.dags.fake_uploader import FakeUploader

UPLOAD = "2" * 32


class FakeStore:
    """A bucket in which the chunks of ``script`` appear, one set for each check."""

    bucket = "raw"

    def __init__(self, script: list[set[int]]) -> None:
        self.script = script
        self.checks = 0

    def check_all(self, chunks: list[ExpectedChunk]) -> list[ObjectCheck]:
        there = set().union(*self.script[: self.checks + 1])
        self.checks += 1
        return [self._check(chunk, chunk.chunk_id in there) for chunk in chunks]

    def _check(self, chunk: ExpectedChunk, there: bool) -> ObjectCheck:
        evidence = {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}
        return ObjectCheck(
            chunk=chunk, fault=None if there else "the object does not exist", evidence=evidence if there else {}
        )


class FakeClock:
    """Advances by a second with every call."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def monitor_of(fake: FakeUploader, store: FakeStore, *, chunks: int) -> LandingMonitor:
    expected = [ExpectedChunk.of(message) for message in fake.add_upload(UPLOAD, chunks=chunks)]
    client = UploaderClient(base_url=fake.url, upload_id=UPLOAD)
    return LandingMonitor(store=store, uploader=client, chunks=expected)  # type: ignore[arg-type]  # has what is used


def run_monitor(monitor: LandingMonitor, deadline_s: float) -> list[str]:
    return asyncio.run(wait_until_landed(monitor, deadline_s=deadline_s, clock=FakeClock(), sleep=no_wait))


async def no_wait(_: float) -> None:
    """Return immediately."""


def test_monitor_ends_when_the_last_chunk_has_landed(fake_uploader: FakeUploader) -> None:
    store = FakeStore([set(), {2}, set(), {1, 3}])
    assert run_monitor(monitor_of(fake_uploader, store, chunks=3), 100) == []
    assert store.checks == 4
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED] * 3


def test_deadline_restarts_with_every_landed_chunk(fake_uploader: FakeUploader) -> None:
    # A check takes two seconds: each chunk lands 8 s after the one before, and the deadline is 10 s.
    store = FakeStore([set(), set(), set(), {1}, set(), set(), set(), {2}, set(), set(), set(), {3}])
    assert run_monitor(monitor_of(fake_uploader, store, chunks=3), 10) == []


def test_missing_chunks_are_described_and_reported_as_failed(fake_uploader: FakeUploader) -> None:
    missing = run_monitor(monitor_of(fake_uploader, FakeStore([{1}]), chunks=2), 10)
    assert missing == ["chunk 2 (flights/flights_chunk_002_20260131T235959123456Z.csv): the object does not exist"]
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED, ChunkState.FAILED]


def trigger_of(monitor: LandingMonitor, *, deadline_s: float) -> LandingTrigger:
    return LandingTrigger(
        upload_id=UPLOAD, base_url="http://unused", chunks=[], deadline_s=deadline_s, open_monitor=lambda **_: monitor
    )


def events_of(trigger: LandingTrigger) -> list[Any]:
    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def test_trigger_survives_serialization(fake_uploader: FakeUploader) -> None:
    chunks = [ExpectedChunk.of(message) for message in fake_uploader.add_upload(UPLOAD, chunks=2)]
    trigger = LandingTrigger.of(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=chunks, deadline_s=5)
    path, arguments = trigger.serialize()
    assert path == "dags.modules.landing_trigger.LandingTrigger"
    assert arguments["chunks"] == [asdict(chunk) for chunk in chunks]
    assert LandingTrigger(**arguments).serialize() == (path, arguments)


def test_trigger_yields_the_missing_chunks(fake_uploader: FakeUploader) -> None:
    monitor = monitor_of(fake_uploader, FakeStore([{1}]), chunks=1)
    trigger = trigger_of(monitor, deadline_s=5)
    assert events_of(trigger) == [{"missing": []}]


def test_trigger_reports_a_deleted_upload(fake_uploader: FakeUploader) -> None:
    monitor = monitor_of(fake_uploader, FakeStore([set()]), chunks=1)
    fake_uploader.aborted.add(UPLOAD)
    trigger = trigger_of(monitor, deadline_s=0)
    (event,) = events_of(trigger)
    assert list(event) == ["deleted"]
    assert UPLOAD in event["deleted"]


def test_trigger_reports_an_error_to_the_task() -> None:
    def refuse(**_: Any) -> LandingMonitor:
        raise LookupError("no connection s3_raw")

    trigger = LandingTrigger(upload_id=UPLOAD, base_url="http://x", chunks=[], deadline_s=5, open_monitor=refuse)
    assert events_of(trigger) == [{"error": "LookupError: no connection s3_raw"}]
