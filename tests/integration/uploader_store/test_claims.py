"""Claims on what is to be announced, and leases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, Engine

from tests.support.uploader.stored_uploads import CLAIM_FOR, announce
from tests.support.uploader.uploads import SettableClock
from uploader.domain.records import UploadRecord
from uploader.domain.transitions import renewed
from uploader.errors import DatabaseConstraintError
from uploader.store import engine, leases
from uploader.store.claims import Claim
from uploader.store.store import Store, open_store


class TestClaims:
    def claim(self, store: Store, owner: str, clock: SettableClock, replica: str = "replica-0") -> str | None:
        claim = store.claims.claim_next(replica=replica, owner=owner, claim_for=CLAIM_FOR, now=clock.now)
        return None if claim is None else claim.upload_id

    def test_new_upload_is_claimed_by_its_request_until_the_claim_expires(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        assert self.claim(store, "a", clock) is None
        clock.advance(seconds=20)
        assert self.claim(store, "a", clock) == upload.upload_id
        assert self.claim(store, "b", clock) is None

    def test_oldest_upload_is_claimed_first_and_postponed_ones_are_skipped(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        older = create()
        clock.advance(seconds=1)
        newer = create()
        clock.advance(seconds=30)
        claim = store.claims.claim_next(replica="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        assert claim.upload_id == older.upload_id
        store.claims.release(claim, until=clock.now + timedelta(seconds=5))
        assert self.claim(store, "b", clock) == newer.upload_id
        assert self.claim(store, "b", clock) is None
        clock.advance(seconds=5)
        assert self.claim(store, "b", clock) == older.upload_id

    def test_postponed_upload_is_claimed_after_untried_ones(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        stuck = create()
        clock.advance(seconds=30)
        claim = store.claims.claim_next(replica="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        renewed_one = create()
        announce(store, renewed_one, clock=clock)
        store.chunks.edit(renewed_one.upload_id, None, partial(renewed, by_hand=True), at=clock.now)
        healthy = create()
        store.claims.release(claim, until=clock.now + timedelta(seconds=25))
        clock.advance(minutes=1)
        order = [self.claim(store, owner, clock) for owner in "bcd"]
        assert order == [renewed_one.upload_id, healthy.upload_id, stuck.upload_id]

    def test_claim_taken_by_another_worker_is_not_renewed(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        create()
        clock.advance(seconds=30)
        claim = store.claims.claim_next(replica="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        assert store.claims.renew(claim, claim_for=CLAIM_FOR, now=clock.now)
        clock.advance(seconds=20)
        assert self.claim(store, "b", clock) == claim.upload_id
        assert not store.claims.renew(claim, claim_for=CLAIM_FOR, now=clock.now)
        store.claims.release(claim, until=clock.now)
        assert self.claim(store, "c", clock) is None

    def test_claim_is_void_after_the_clock_was_set_back(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        clock.advance(hours=-2)
        assert self.claim(store, "a", clock) == upload.upload_id
        assert self.claim(store, "b", clock) is None
        claim = Claim(upload_id=upload.upload_id, owner="a")
        store.claims.release(claim, until=clock.now + timedelta(seconds=5))
        assert self.claim(store, "b", clock) is None
        clock.advance(seconds=-60)
        assert self.claim(store, "b", clock) == upload.upload_id

    def test_claim_of_a_process_with_a_slightly_later_clock_is_kept(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        create()
        clock.advance(seconds=-2)
        assert self.claim(store, "a", clock) is None

    def test_concurrent_workers_claim_each_upload_once(
        self, url: str, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        created = {create().upload_id for _ in range(4)}
        clock.advance(seconds=30)
        others = [open_store(url) for _ in range(4)]
        together = threading.Barrier(4)

        def claim_all(number: int) -> list[str]:
            together.wait()
            claimed = []
            for attempt in range(20):
                upload_id = self.claim(others[number], f"{number}/{attempt}", clock)
                claimed += [upload_id] if upload_id else []
            return claimed

        with ThreadPoolExecutor(4) as pool:
            claimed = [upload_id for ids in pool.map(claim_all, range(4)) for upload_id in ids]
        assert sorted(claimed) == sorted(created)
        for other in others:
            other.close()

    def test_announced_uploads_and_those_of_other_replicas_are_not_claimed(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        announce(store, create(), clock=clock)
        elsewhere = create(replica="replica-1")
        clock.advance(seconds=30)
        assert self.claim(store, "a", clock) is None
        assert self.claim(store, "a", clock, replica="replica-1") == elsewhere.upload_id

    def test_repeated_announcement_does_not_wait_for_the_first_claim(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        announce(store, upload, clock=clock)
        store.chunks.edit(upload.upload_id, [2], partial(renewed, by_hand=True), at=clock.now)
        assert self.claim(store, "a", clock) == upload.upload_id
        assert [chunk.chunk_id for chunk in store.claims.unannounced(upload.upload_id, limit=10)] == [2]


class TestLeases:
    def test_lease_has_one_owner_at_a_time(self, store: Store, clock: SettableClock) -> None:
        def take(owner: str) -> bool:
            return store.leases.take("clean/replica-0", owner=owner, lease_for=timedelta(seconds=60), now=clock.now)

        assert take("a")
        assert not take("b")
        clock.advance(seconds=59)
        assert take("a")
        assert not take("b")
        clock.advance(seconds=60)
        assert take("b")
        store.leases.release("clean/replica-0", owner="a")
        assert not take("a")
        store.leases.release("clean/replica-0", owner="b")
        assert take("a")

    def test_lease_is_void_after_the_clock_was_set_back(self, store: Store, clock: SettableClock) -> None:
        def take(owner: str) -> bool:
            return store.leases.take("clean/replica-0", owner=owner, lease_for=timedelta(seconds=60), now=clock.now)

        assert take("a")
        clock.advance(hours=-2)
        assert take("b")
        assert not take("a")
        clock.advance(seconds=-2)
        assert not take("a")

    def test_lease_taken_by_another_worker_in_between_is_not_taken_twice(
        self, store: Store, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lease_for = timedelta(seconds=60)
        assert store.leases.take("x", owner="old", lease_for=lease_for, now=clock.now)
        clock.advance(minutes=2)
        writing = engine.writing

        def late(database: Engine) -> AbstractContextManager[Connection]:
            monkeypatch.setattr(leases, "writing", writing)
            # It waited for the lock for half a minute; by its clock the other's lease is from the future.
            later = clock.now + timedelta(seconds=30)
            assert store.leases.take("x", owner="faster", lease_for=lease_for, now=later)
            return writing(database)

        monkeypatch.setattr(leases, "writing", late)
        assert not store.leases.take("x", owner="slower", lease_for=lease_for, now=clock.now)

    def test_lease_that_the_database_refuses_is_held_by_nobody(
        self, store: Store, clock: SettableClock, execute: Callable[[str], None]
    ) -> None:
        execute("CREATE UNIQUE INDEX an_operators_own ON leases (owner)")
        assert store.leases.take("x", owner="a", lease_for=timedelta(seconds=60), now=clock.now)
        with pytest.raises(DatabaseConstraintError):
            store.leases.take("y", owner="a", lease_for=timedelta(seconds=60), now=clock.now)
        assert store.leases.take("y", owner="b", lease_for=timedelta(seconds=60), now=clock.now)

    def test_concurrent_workers_give_one_lease_owner(self, url: str, clock: SettableClock) -> None:
        stores = [open_store(url) for _ in range(6)]
        together = threading.Barrier(6)

        def take(number: int) -> bool:
            together.wait()
            lease_for = timedelta(seconds=60)
            return stores[number].leases.take("reconcile", owner=str(number), lease_for=lease_for, now=clock.now)

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(take, range(6))) == 1
        for each in stores:
            each.close()
