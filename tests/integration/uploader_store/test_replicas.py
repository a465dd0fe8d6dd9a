"""What one of several replicas finds: its overdue and its landed chunks, its uploads, its disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.uploader.stored_uploads import announce, land
from tests.support.uploader.uploads import SettableClock
from uploader.domain.records import ReplicaRecord, UploadRecord
from uploader.domain.transitions import cleaned, failed, relayed
from uploader.errors import DatabaseConstraintError
from uploader.store.store import Store


class TestOverdueAndLanded:
    def test_overdue_chunks_were_last_reported_before_the_given_time(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload, elsewhere = create(chunks=4), create(replica="replica-1")
        announce(store, upload, 1, 2, 3, clock=clock)
        announce(store, elsewhere, clock=clock)
        land(store, upload, 3, clock=clock)
        clock.advance(minutes=10)
        store.chunks.edit(upload.upload_id, [2], partial(relayed, evidence={}, at=clock.now), at=clock.now)
        before = clock.now - timedelta(minutes=5)
        assert store.backlog.overdue(replica="replica-0", before=before, reannounce_limit=3, limit=10) == {
            upload.upload_id: [1]
        }
        clock.advance(minutes=10)
        before = clock.now - timedelta(minutes=5)
        assert store.backlog.overdue(replica="replica-0", before=before, reannounce_limit=3, limit=10) == {
            upload.upload_id: [1, 2]
        }
        assert store.backlog.overdue(replica="replica-0", before=before, reannounce_limit=3, limit=1) == {
            upload.upload_id: [1]
        }
        store.uploads.abort(upload.upload_id, force=True, at=clock.now)
        assert store.backlog.overdue(replica="replica-0", before=before, reannounce_limit=3, limit=10) == {}

    def test_failed_chunk_is_overdue_if_announced_with_attempts_left(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create(chunks=3)
        announce(store, upload, 1, 2, clock=clock)
        announce(store, upload, 1, clock=clock)
        store.chunks.edit(upload.upload_id, None, partial(failed, reason="x"), at=clock.now)
        clock.advance(minutes=10)

        def overdue(*, reannounce_limit: int) -> list[int]:
            before = clock.now - timedelta(minutes=5)
            found = store.backlog.overdue(
                replica="replica-0", before=before, reannounce_limit=reannounce_limit, limit=10
            )
            return found.get(upload.upload_id, [])

        assert overdue(reannounce_limit=0) == []
        assert overdue(reannounce_limit=1) == [2]
        assert overdue(reannounce_limit=2) == [1, 2]

    def test_upload_with_a_recent_landing_has_no_overdue_chunks(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload, other = create(), create()
        announce(store, upload, clock=clock)
        announce(store, other, 1, clock=clock)
        clock.advance(minutes=10)
        landed_at = clock.now
        land(store, upload, 3, clock=clock)
        clock.advance(minutes=5)

        def overdue(before: datetime) -> dict[str, list[int]]:
            return store.backlog.overdue(replica="replica-0", before=before, reannounce_limit=3, limit=10)

        assert overdue(landed_at) == {other.upload_id: [1]}
        store.chunks.edit(upload.upload_id, [3], partial(cleaned, at=clock.now), at=clock.now)
        assert overdue(landed_at) == {other.upload_id: [1]}
        assert overdue(clock.now) == {upload.upload_id: [1, 2], other.upload_id: [1]}

    def test_future_timestamps_are_reset_after_the_clock_was_set_back(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload, elsewhere = create(chunks=4), create(replica="replica-1")
        announce(store, upload, 1, 2, 3, clock=clock)
        announce(store, elsewhere, clock=clock)
        store.chunks.edit(upload.upload_id, [2], partial(relayed, evidence={}, at=clock.now), at=clock.now)
        land(store, upload, 3, clock=clock)
        assert store.backlog.reset_future_timestamps(replica="replica-0", now=clock.now) == 0
        clock.advance(hours=-2)
        assert store.backlog.reset_future_timestamps(replica="replica-0", now=clock.now) == 4
        assert store.backlog.reset_future_timestamps(replica="replica-0", now=clock.now) == 0
        chunks = store.chunks.read(upload.upload_id)[1]
        assert [chunk.announced_at for chunk in chunks[:2]] == [clock.now] * 2
        assert (chunks[1].relayed_at, chunks[2].landed_at) == (clock.now, clock.now)
        then = clock.now
        clock.advance(minutes=10)
        assert store.backlog.overdue(replica="replica-0", before=clock.now, reannounce_limit=3, limit=10) == {
            upload.upload_id: [1, 2]
        }
        assert [chunk.chunk_id for chunk in store.backlog.landed(replica="replica-0", before=then, limit=10)] == [3]
        assert store.backlog.reset_future_timestamps(replica="replica-1", now=clock.now) == 3

    def test_landed_chunks_are_in_the_order_of_their_landing(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        for chunk_id in (3, 1):
            land(store, upload, chunk_id, clock=clock)
            clock.advance(hours=1)

        def ids(**query: Any) -> list[int]:
            return [chunk.chunk_id for chunk in store.backlog.landed(replica="replica-0", limit=10, **query)]

        assert ids(before=None) == [3, 1]
        assert ids(before=clock.now - timedelta(hours=2)) == [3]
        assert ids(before=clock.now - timedelta(hours=3)) == []
        store.chunks.edit(upload.upload_id, [3], partial(cleaned, at=clock.now), at=clock.now)
        assert ids(before=None) == [1]


class TestAdoption:
    def test_uploads_of_another_name_are_adopted_once(self, store: Store, create: Callable[..., UploadRecord]) -> None:
        upload = create(replica="old-name")
        assert store.replicas.adopt([upload.upload_id, "0" * 32], replica="new-name") == [upload.upload_id]
        assert store.replicas.adopt([upload.upload_id], replica="new-name") == []
        assert [each.upload_id for each in store.backlog.unlanded(replica="new-name")] == [upload.upload_id]


class TestReplicas:
    def test_replica_name_keeps_its_first_disk(self, store: Store) -> None:
        assert store.replicas.find_disk("replica-0") is None
        assert store.replicas.assign_disk("replica-0", "a" * 32) == "a" * 32
        assert store.replicas.assign_disk("replica-0", "b" * 32) == "a" * 32
        assert store.replicas.find_disk("replica-0") == "a" * 32

    def test_disk_keeps_its_last_replica_name(self, store: Store) -> None:
        store.replicas.assign_disk("old", "a" * 32)
        store.replicas.assign_disk("new", "a" * 32)
        assert (store.replicas.find_disk("old"), store.replicas.find_disk("new")) == (None, "a" * 32)

    def test_disk_that_the_database_refuses_belongs_to_nobody(
        self, store: Store, execute: Callable[[str], None]
    ) -> None:
        execute("CREATE UNIQUE INDEX an_operators_own ON replicas (disk_id)")
        store.replicas.assign_disk("old", "a" * 32)
        with pytest.raises(DatabaseConstraintError):
            store.replicas.assign_disk("new", "a" * 32)
        assert (store.replicas.find_disk("old"), store.replicas.find_disk("new")) == ("a" * 32, None)

    def test_replica_has_its_disk_and_its_last_check_in(self, store: Store, clock: SettableClock) -> None:
        assert store.replicas.find("replica-0") is None
        store.replicas.assign_disk("replica-0", "a" * 32)
        said = ReplicaRecord(name="replica-0", disk_id="a" * 32, base_url=None, seen_at=None)
        assert store.replicas.find("replica-0") == said
        for url in ("http://old:8000", "http://new:8000"):
            clock.advance(seconds=5)
            store.replicas.check_in("replica-0", base_url=url, at=clock.now)
        store.replicas.assign_disk("replica-0", "a" * 32)
        assert store.replicas.find("replica-0") == replace(said, base_url="http://new:8000", seen_at=clock.now)
