"""What is counted for the metrics of a replica."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from contracts.states import ChunkState
from tests.support.uploader.stored_uploads import announce, land
from tests.support.uploader.uploads import SettableClock
from uploader.domain.records import UploadRecord
from uploader.domain.transitions import failed, renewed
from uploader.store.store import Store

REPLICA = "replica-0"


def test_chunks_are_counted_by_state_for_one_replica(
    store: Store, create: Callable[..., UploadRecord], clock: SettableClock
) -> None:
    cut_at = clock.now
    upload = create(chunks=4)
    create(chunks=2, replica="another")
    store.uploads.abort(create(chunks=3).upload_id, force=True, at=clock.now)
    clock.advance(minutes=1)
    announce(store, upload, 1, 2, 3, clock=clock)
    land(store, upload, 1, clock=clock)
    store.chunks.edit(upload.upload_id, [2], lambda chunk: failed(chunk, reason="it is a test"), at=clock.now)
    counted = store.statistics.count_chunks(replica=REPLICA)
    assert {state: number for state, number in counted.chunks.items() if number} == {
        ChunkState.STORED: 1,
        ChunkState.ANNOUNCED: 1,
        ChunkState.LANDED: 1,
        ChunkState.FAILED: 1,
    }
    assert (counted.oldest_in_outbox, counted.oldest_unlanded) == (cut_at, clock.now)


def test_oldest_unlanded_counts_from_the_first_announcement(
    store: Store, create: Callable[..., UploadRecord], clock: SettableClock
) -> None:
    upload = create(chunks=1)
    assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded is None
    clock.advance(minutes=1)
    announce(store, upload, clock=clock)
    assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == clock.now
    store.chunks.edit(upload.upload_id, None, lambda chunk: renewed(chunk, by_hand=False), at=clock.now)
    assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == upload.chunked_at
    clock.advance(minutes=1)
    announce(store, upload, clock=clock)
    assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded == upload.chunked_at
    land(store, upload, clock=clock)
    assert store.statistics.count_chunks(replica=REPLICA).oldest_unlanded is None


def test_check_ins_of_replicas_with_unlanded_uploads_are_listed(
    store: Store, create: Callable[..., UploadRecord], clock: SettableClock
) -> None:
    for number, replica in enumerate((REPLICA, "holds one", "holds none")):
        store.replicas.assign_disk(replica, f"disk {number}")
        store.replicas.check_in(replica, base_url=f"http://{number}", at=clock.now - timedelta(minutes=number))
    upload = create(chunks=1, replica="holds one")
    watched = {REPLICA: clock.now, "holds one": clock.now - timedelta(minutes=1)}
    assert store.replicas.last_check_ins(replica=REPLICA) == watched
    announce(store, upload, clock=clock)
    land(store, upload, clock=clock)
    assert store.replicas.last_check_ins(replica=REPLICA) == {REPLICA: clock.now}
