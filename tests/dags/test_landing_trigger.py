from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import pytest

from contracts.states import ChunkState
from dags.modules import landing_trigger
from dags.modules.landing import LandingWatch
from dags.modules.landing_trigger import LandingTrigger, watch_landing
from dags.modules.object_store import ExpectedChunk, Look
from dags.modules.uploader_client import UploaderClient
from tests.support.dags.fakes import FakeUploader

UPLOAD = "2" * 32


class FakeStore:
    """A bucket in which the chunks of ``script`` turn up look by look."""

    bucket = "raw"

    def __init__(self, script: list[set[int]]) -> None:
        self.script = script
        self.looks = 0

    def look_at_all(self, chunks: list[ExpectedChunk]) -> list[Look]:
        there = set().union(*self.script[: self.looks + 1])
        self.looks += 1
        return [self._look(chunk, chunk.chunk_id in there) for chunk in chunks]

    def _look(self, chunk: ExpectedChunk, there: bool) -> Look:
        evidence = {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}
        return Look(chunk=chunk, fault=None if there else "there is no such object", evidence=evidence if there else {})


class FakeClock:
    """Goes on by a second at every look at it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def watch_of(fake: FakeUploader, store: FakeStore, *, chunks: int) -> LandingWatch:
    expected = [ExpectedChunk.of(message) for message in fake.add_upload(UPLOAD, chunks=chunks)]
    client = UploaderClient(base_url=fake.url, upload_id=UPLOAD)
    return LandingWatch(store=store, uploader=client, chunks=expected)  # type: ignore[arg-type]  # has what is used


def watch_until_the_end(watch: LandingWatch, deadline_s: float) -> list[str]:
    return asyncio.run(watch_landing(watch, deadline_s=deadline_s, clock=FakeClock(), first_wait_s=0))


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", sleep)


def test_watch_ends_when_the_last_chunk_is_there(fake_uploader: FakeUploader) -> None:
    store = FakeStore([set(), {2}, set(), {1, 3}])
    assert watch_until_the_end(watch_of(fake_uploader, store, chunks=3), 100) == []
    assert store.looks == 4
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED] * 3


def test_deadline_counts_from_the_last_chunk_that_landed(fake_uploader: FakeUploader) -> None:
    # Two seconds a look: each chunk comes 8 s after the one before, and the deadline is 10 s.
    store = FakeStore([set(), set(), set(), {1}, set(), set(), set(), {2}, set(), set(), set(), {3}])
    assert watch_until_the_end(watch_of(fake_uploader, store, chunks=3), 10) == []


def test_chunks_that_do_not_come_are_named_and_reported_as_failed(fake_uploader: FakeUploader) -> None:
    missing = watch_until_the_end(watch_of(fake_uploader, FakeStore([{1}]), chunks=2), 10)
    assert missing == ["chunk 2 (flights/flights_chunk_002_20260131T235959123456Z.csv): there is no such object"]
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED, ChunkState.FAILED]


def events_of(trigger: LandingTrigger) -> list[Any]:
    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def test_trigger_made_again_from_its_serialized_form_is_the_same(fake_uploader: FakeUploader) -> None:
    chunks = [ExpectedChunk.of(message) for message in fake_uploader.add_upload(UPLOAD, chunks=2)]
    trigger = LandingTrigger.of(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=chunks, deadline_s=5)
    path, arguments = trigger.serialize()
    assert path == "dags.modules.landing_trigger.LandingTrigger"
    assert arguments["chunks"] == [asdict(chunk) for chunk in chunks]
    assert LandingTrigger(**arguments).serialize() == (path, arguments)


def test_trigger_of_an_older_release_goes_on(fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds chunks without the moment of their message."""
    store, (message,) = FakeStore([set()]), fake_uploader.add_upload(UPLOAD)

    def open_watch(*, upload_id: str, base_url: str, chunks: list[ExpectedChunk]) -> LandingWatch:
        client = UploaderClient(base_url=base_url, upload_id=upload_id)
        return LandingWatch(store=store, uploader=client, chunks=chunks)  # type: ignore[arg-type]  # has what is used

    monkeypatch.setattr(landing_trigger, "open_watch", open_watch)
    chunk = asdict(ExpectedChunk.of(message))
    del chunk["published_at"]
    trigger = LandingTrigger(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=[chunk], deadline_s=0)
    (event,) = events_of(trigger)
    assert len(event["missing"]) == 1
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.FAILED]
    assert fake_uploader.given_up_of[UPLOAD, 1] is None


def test_trigger_yields_what_is_missing(fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = watch_of(fake_uploader, FakeStore([{1}]), chunks=1)
    monkeypatch.setattr(landing_trigger, "open_watch", lambda **_: watch)
    trigger = LandingTrigger.of(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=watch.pending, deadline_s=5)
    assert events_of(trigger) == [{"missing": []}]


def test_trigger_tells_that_the_upload_was_deleted(
    fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watch_of(fake_uploader, FakeStore([set()]), chunks=1)
    fake_uploader.aborted.add(UPLOAD)
    monkeypatch.setattr(landing_trigger, "open_watch", lambda **_: watch)
    trigger = LandingTrigger.of(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=watch.pending, deadline_s=0)
    (event,) = events_of(trigger)
    assert list(event) == ["gone"]
    assert UPLOAD in event["gone"]


def test_trigger_that_cannot_look_tells_the_task_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> LandingWatch:
        raise LookupError("no connection s3_raw")

    monkeypatch.setattr(landing_trigger, "open_watch", refuse)
    trigger = LandingTrigger.of(upload_id=UPLOAD, base_url="http://x", chunks=[], deadline_s=5)
    assert events_of(trigger) == [{"error": "LookupError: no connection s3_raw"}]
