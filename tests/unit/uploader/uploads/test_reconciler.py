from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from contracts.states import ChunkState, UploadState
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.stored_uploads import land
from tests.support.uploader.uploads import REPLICA, SettableClock
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.domain.transitions import failed, lost, relayed
from uploader.store.store import Store
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler

AFTER = timedelta(minutes=30)


@pytest.fixture
def reconciler(store: Store, clock: SettableClock) -> Reconciler:
    return Reconciler(store=store, replica=REPLICA, after=AFTER, limit=2, clock=clock)


def test_only_overdue_chunks_are_announced_again(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    kafka: FakePublisher,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
) -> None:
    upload = create()
    outbox.run_pass()
    land(store, upload, 2, clock=clock)
    clock.advance(minutes=30)
    reconciler.run_pass()
    outbox.run_pass()
    assert len(kafka.messages) == 3, "exactly at the limit is not yet too late"
    clock.advance(minutes=1)
    reconciler.run_pass()
    outbox.run_pass()
    assert kafka.announced[3:] == [(upload.upload_id, 1), (upload.upload_id, 3)]


def test_clock_set_back_during_a_pass_does_not_loop_forever(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = create()
    outbox.run_pass()
    clock.advance(minutes=31)
    overdue, asked = store.backlog.overdue, []

    def ask_and_set_back(**query: Any) -> dict[str, list[int]]:
        asked.append(query)
        assert len(asked) <= 2, "it goes round and round"
        clock.advance(minutes=-10 if len(asked) == 1 else 0)
        return overdue(**query)

    monkeypatch.setattr(store.backlog, "overdue", ask_and_set_back)
    reconciler.run_pass()
    assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.STORED}


def test_chunk_fails_after_the_limit_and_is_logged(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    kafka: FakePublisher,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
    caplog: pytest.LogCaptureFixture,
) -> None:
    upload = create(chunks=1)
    for announcements in (1, 2, 3):
        outbox.run_pass()
        assert len(kafka.messages) == announcements
        clock.advance(minutes=31)
        reconciler.run_pass()
    outbox.run_pass()
    assert len(kafka.messages) == 3, "announced, and twice again: REANNOUNCE_LIMIT=2"
    after, [chunk] = store.chunks.read(upload.upload_id)
    assert (after.state, chunk.state) == (UploadState.FAILED, ChunkState.FAILED)
    assert chunk.error is not None
    assert "announced 3 times and not landed within 30 minutes" in chunk.error
    [error] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (vars(error)["chunk_id"], vars(error)["path"]) == (1, "people_chunk_001_stamp.csv")


def test_chunk_that_the_relay_gave_up_is_announced_again_until_the_limit(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    kafka: FakePublisher,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
) -> None:
    upload = create(chunks=1)
    for announcements in (1, 2, 3):
        outbox.run_pass()
        assert len(kafka.messages) == announcements
        for edit in (partial(relayed, evidence={}, at=clock.now), partial(failed, reason="S3 is away")):
            store.chunks.edit(upload.upload_id, None, edit, at=clock.now)
        clock.advance(minutes=29)
        reconciler.run_pass()
        assert store.chunks.read(upload.upload_id)[1][0].state is ChunkState.FAILED
        clock.advance(minutes=2)
        reconciler.run_pass()
    outbox.run_pass()
    assert len(kafka.messages) == 3, "announced, and twice again: REANNOUNCE_LIMIT=2"
    assert store.chunks.read(upload.upload_id)[1][0].error == "S3 is away"


@pytest.mark.parametrize("give_up", [failed, lost])
def test_refused_or_lost_chunks_are_not_announced_again(
    give_up: Callable[..., ChunkRecord],
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
) -> None:
    upload = create(chunks=1)
    if give_up is lost:
        outbox.run_pass()
    store.chunks.edit(upload.upload_id, None, partial(give_up, reason="as it is"), at=clock.now)
    clock.advance(days=1)
    reconciler.run_pass()
    [chunk] = store.chunks.read(upload.upload_id)[1]
    assert (chunk.state, chunk.error) == (ChunkState.FAILED, "as it is")


def test_upload_with_recent_landings_is_not_overdue(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    kafka: FakePublisher,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
) -> None:
    upload = create()
    outbox.run_pass()
    for chunk_id in (1, 2):
        clock.advance(minutes=29)
        land(store, upload, chunk_id, clock=clock)
        reconciler.run_pass()
        outbox.run_pass()
        assert len(kafka.messages) == 3
    clock.advance(minutes=31)
    reconciler.run_pass()
    outbox.run_pass()
    assert kafka.announced[3:] == [(upload.upload_id, 3)]


def test_one_worker_reconciles_at_a_time(
    reconciler: Reconciler,
    outbox: Outbox,
    store: Store,
    clock: SettableClock,
    create: Callable[..., UploadRecord],
) -> None:
    upload = create(chunks=1)
    outbox.run_pass()
    clock.advance(minutes=31)
    name = "reconcile/replica-0"
    assert store.leases.take(name, owner="another worker", lease_for=timedelta(seconds=60), now=clock.now)
    reconciler.run_pass()
    assert store.chunks.read(upload.upload_id)[1][0].state is ChunkState.ANNOUNCED
    clock.advance(seconds=60)
    reconciler.run_pass()
    assert store.chunks.read(upload.upload_id)[1][0].state is ChunkState.STORED
