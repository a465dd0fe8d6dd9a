"""Manifests: made, read, changed and given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import event

from contracts.errors import IllegalStateChangeError
from contracts.states import ChunkState, UploadState
from tests.support.uploader.stored_uploads import CLAIM_FOR, announce, land
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.domain.records import UploadOverview, UploadRecord
from uploader.domain.transitions import cleaned, failed, relayed, renewed, reported_failed
from uploader.errors import (
    ChunkNotFoundError,
    DatabaseConstraintError,
    UploadGoneError,
    UploadInProgressError,
    UploadNotFoundError,
)
from uploader.store.claims import Claim
from uploader.store.store import Store, open_store
from uploader.store.uploads import UploadQuery


class TestCreate:
    def test_stored_records_are_read_unchanged(self, store: Store, clock: SettableClock) -> None:
        upload, chunks = upload_records(at=clock.now, key="key")
        upload = replace(upload, headers=["a\x00b", "ü"], source_bytes=2**40)
        chunks = [replace(chunk, evidence={"etag": "\x00"}, byte_end=2**40) for chunk in chunks]
        store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
        assert store.chunks.read(upload.upload_id) == (upload.overview, chunks)
        assert store.uploads.find(upload.upload_id) == upload
        assert store.chunks.read_one(upload.upload_id, 2) == (upload.overview, chunks[1])

    def test_same_key_returns_the_first_upload_and_stores_nothing(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        first = create(key="key")
        second, chunks = upload_records(at=clock.now, key="key")
        assert store.uploads.create(second, chunks, claim=Claim.new(second.upload_id), claim_for=CLAIM_FOR) == first
        assert store.uploads.find(second.upload_id) is None

    def test_concurrent_uploads_with_one_key_give_one_upload(self, url: str, clock: SettableClock) -> None:
        stores = [open_store(url) for _ in range(4)]
        together = threading.Barrier(4)

        def create(each: Store) -> str:
            upload, chunks = upload_records(at=clock.now, key="key")
            together.wait()
            first = each.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
            return (first or upload).upload_id

        with ThreadPoolExecutor(4) as pool:
            winners = set(pool.map(create, stores))
        assert len(winners) == 1
        assert [upload.upload_id for upload, _ in stores[0].uploads.list_page(UploadQuery(limit=10))] == list(winners)
        for each in stores:
            each.close()

    @pytest.mark.parametrize("key", [None, "key"])
    def test_constraint_that_nobody_knows_ends_the_attempts(
        self,
        store: Store,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
        execute: Callable[[str], None],
        key: str | None,
    ) -> None:
        execute("CREATE UNIQUE INDEX an_operators_own ON uploads (source_filename)")
        create()
        clock.advance(seconds=1)
        second, chunks = upload_records(at=clock.now, key=key)
        with pytest.raises(DatabaseConstraintError):
            store.uploads.create(second, chunks, claim=Claim.new(second.upload_id), claim_for=CLAIM_FOR)
        assert store.uploads.find(second.upload_id) is None

    def test_deleted_upload_releases_its_key(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        store.uploads.abort(create(key="key").upload_id, force=False, at=clock.now)
        create(key="key")


class TestRead:
    def test_column_names_are_read_only_if_they_are_shown(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        statements: list[str] = []

        @event.listens_for(store._engine, "before_cursor_execute")
        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            statements.append(statement)

        store.uploads.list_page(UploadQuery(limit=10))
        store.uploads.find_many([upload.upload_id])
        store.backlog.unlanded(replica=upload.replica)
        store.chunks.read(upload.upload_id)
        store.chunks.read_one(upload.upload_id, 1)
        clock.advance(minutes=1)
        assert store.claims.claim_next(replica=upload.replica, owner="a", claim_for=CLAIM_FOR, now=clock.now)
        announce(store, upload, clock=clock)
        land(store, upload, clock=clock)
        store.uploads.abort(upload.upload_id, force=True, at=clock.now)
        assert len(statements) > 10
        assert [each for each in statements if "headers" in each] == []
        assert store.uploads.find(upload.upload_id)
        assert "headers" in statements[-1]

    def test_unknown_ids_are_named(self, store: Store, create: Callable[..., UploadRecord]) -> None:
        upload = create()
        for unknown in ("0" * 32, "nul\x00byte", "../etc"):
            with pytest.raises(UploadNotFoundError):
                store.chunks.read(unknown)
        with pytest.raises(ChunkNotFoundError, match="has no chunk 4"):
            store.chunks.read_one(upload.upload_id, 4)
        with pytest.raises(ChunkNotFoundError, match="has no chunk 4"):
            store.chunks.edit(upload.upload_id, [1, 4], lambda chunk: chunk, at=upload.created_at)

    def test_pages_have_every_upload_once_newest_first(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        created = []
        for second in range(5):
            clock.advance(seconds=second % 2)  # some share their moment
            created.append(create())
        expected = sorted(created, key=lambda upload: (upload.created_at, upload.upload_id), reverse=True)
        found: list[UploadOverview] = []
        while page := store.uploads.list_page(
            UploadQuery(limit=2, after=(found[-1].created_at, found[-1].upload_id) if found else None)
        ):
            assert len(page) <= 2
            found += [upload for upload, _ in page]
        assert found == [upload.overview for upload in expected]

    def test_page_can_be_filtered_by_dataset_and_state(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        people, cars = create(), create(dataset_name="cars")
        announce(store, people, 1, clock=clock)
        land(store, cars, clock=clock)
        [(found, counts)] = store.uploads.list_page(UploadQuery(limit=10, dataset_name="people"))
        assert found.upload_id == people.upload_id
        assert counts == {ChunkState.STORED: 2, ChunkState.ANNOUNCED: 1}
        [(found, counts)] = store.uploads.list_page(UploadQuery(limit=10, state=UploadState.LANDED))
        assert found.upload_id == cars.upload_id
        assert counts == {ChunkState.LANDED: 3}
        assert store.uploads.list_page(UploadQuery(limit=10, state=UploadState.LANDED, dataset_name="people")) == []


class TestEditChunks:
    def test_an_upload_goes_from_chunked_to_landed(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        clock.advance(seconds=1)
        assert announce(store, upload, 1, 2, clock=clock).state is UploadState.CHUNKED
        after = announce(store, upload, 3, clock=clock)
        assert (after.state, after.announced_at) == (UploadState.ANNOUNCED, clock.now)
        after, [chunk] = store.chunks.edit(
            upload.upload_id, [2], partial(relayed, evidence={}, at=clock.now), at=clock.now
        )
        assert (after.state, chunk.state, chunk.relayed_at) == (UploadState.LANDING, ChunkState.RELAYED, clock.now)
        assert land(store, upload, 1, 2, clock=clock).state is UploadState.LANDING
        clock.advance(seconds=1)
        after = land(store, upload, 3, clock=clock)
        assert (after.state, after.landed_at) == (UploadState.LANDED, clock.now)
        after, chunks = store.chunks.edit(upload.upload_id, None, partial(cleaned, at=clock.now), at=clock.now)
        assert after.state is UploadState.LANDED
        assert store.chunks.read(upload.upload_id) == (after, chunks)

    def test_illegal_change_leaves_every_chunk_unchanged(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        land(store, upload, 3, clock=clock)
        before = store.chunks.read(upload.upload_id)
        report = partial(reported_failed, reason="x", evidence={}, published_at=None, reannounce_limit=3)
        with pytest.raises(IllegalStateChangeError):
            store.chunks.edit(upload.upload_id, None, report, at=clock.now)
        assert store.chunks.read(upload.upload_id) == before

    def test_failures_are_counted_and_the_first_is_named(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        land(store, upload, 1, clock=clock)
        for chunk_id in (3, 2):
            after, _ = store.chunks.edit(
                upload.upload_id, [chunk_id], partial(failed, reason=f"reason {chunk_id}"), at=clock.now
            )
        assert after.state is UploadState.FAILED
        assert after.error == "2 of 3 chunks failed; the first: chunk 2: reason 2"
        after, _ = store.chunks.edit(upload.upload_id, None, partial(renewed, by_hand=True), at=clock.now)
        assert (after.state, after.error) == (UploadState.CHUNKED, None)

    def test_concurrent_landings_are_all_counted(
        self, url: str, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create(chunks=12)
        others = [open_store(url) for _ in range(3)]  # an engine each, as processes have
        together = threading.Barrier(12)

        def land_one(chunk_id: int) -> None:
            together.wait()
            land(others[chunk_id % 3], upload, chunk_id, clock=clock)

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(land_one, range(1, 13)))
        after, chunks = store.chunks.read(upload.upload_id)
        assert after.state is UploadState.LANDED
        assert {chunk.state for chunk in chunks} == {ChunkState.LANDED}
        for other in others:
            other.close()


class TestAbort:
    def test_deleted_upload_accepts_no_changes(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        after = store.uploads.abort(upload.upload_id, force=False, at=clock.now)
        assert (after.state, after.aborted_at) == (UploadState.ABORTED, clock.now)
        clock.advance(seconds=1)
        assert store.uploads.abort(upload.upload_id, force=False, at=clock.now) == after
        with pytest.raises(UploadGoneError):
            land(store, upload, 1, clock=clock)
        assert store.claims.unannounced(upload.upload_id, limit=10) == []

    def test_deletion_with_chunks_on_their_way_needs_force(
        self, store: Store, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        announce(store, upload, 2, clock=clock)
        with pytest.raises(UploadInProgressError, match="to the bucket: 1 of 3;"):
            store.uploads.abort(upload.upload_id, force=False, at=clock.now)
        assert store.uploads.abort(upload.upload_id, force=True, at=clock.now).state is UploadState.ABORTED
