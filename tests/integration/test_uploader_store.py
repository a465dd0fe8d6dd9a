"""The store on both databases: the same tests, the same answers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, text

import uploader.store
from contracts.errors import IllegalStateChangeError
from contracts.states import ChunkState, UploadState
from tests.support.postgres import PostgresServer
from tests.support.uploads import SettableClock, upload_records
from uploader.errors import ChunkNotFoundError, UploadGoneError, UploadNotFoundError, UploadOnItsWayError
from uploader.store.engine import open_engine
from uploader.store.protocol import Claim, Page
from uploader.store.records import ChunkRecord, ReplicaRecord, UploadRecord
from uploader.store.rows import values_of
from uploader.store.sql import SqlStore, open_store
from uploader.store.tables import SCHEMA, metadata, uploads
from uploader.transitions import announced, cleaned, failed, landed, relayed, renewed

CLAIM_FOR = timedelta(seconds=20)
MIGRATIONS = Path(uploader.store.__file__).parent / "migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'manifest.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def create(store: SqlStore, clock: SettableClock) -> Callable[..., UploadRecord]:
    def create(**given: Any) -> UploadRecord:
        upload, chunks = upload_records(at=clock.now, **given)
        assert store.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR) is None
        return upload

    return create


def evidence(chunk: ChunkRecord) -> dict[str, object]:
    return {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}


def land(store: SqlStore, upload: UploadRecord, *chunk_ids: int, clock: SettableClock) -> UploadRecord:
    def edit(chunk: ChunkRecord) -> ChunkRecord:
        return landed(chunk, evidence=evidence(chunk), at=clock.now)

    return store.edit_chunks(upload.upload_id, chunk_ids or None, edit, at=clock.now)[0]


def announce(store: SqlStore, upload: UploadRecord, *chunk_ids: int, clock: SettableClock) -> UploadRecord:
    edit = partial(announced, at=clock.now)
    return store.edit_chunks(upload.upload_id, chunk_ids or None, edit, at=clock.now)[0]


class TestSchema:
    def test_migrations_end_at_the_tables_that_the_code_knows(self, url: str) -> None:
        engine = open_engine(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()

    def test_newest_migration_is_the_schema_that_the_code_knows(self) -> None:
        assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA

    def test_upload_from_before_traces_has_none_and_a_new_one_keeps_its_own(
        self, url: str, clock: SettableClock
    ) -> None:
        open_store(url).close()
        old, chunks = upload_records(at=clock.now)
        new, _ = upload_records(at=clock.now, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        engine = open_engine(url)
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
            values = {name: value for name, value in values_of(old).items() if name != "traceparent"}
            connection.execute(insert(uploads), values)
        engine.dispose()
        store = open_store(url)
        store.create(
            new,
            [replace(c, upload_id=new.upload_id) for c in chunks],
            claim=Claim.new(new.upload_id),
            claim_for=CLAIM_FOR,
        )
        assert store.find_many([old.upload_id, new.upload_id]) == {old.upload_id: old, new.upload_id: new}
        store.close()

    def test_up_to_date_database_is_opened_without_what_migrates(self, url: str) -> None:
        open_store(url).close()
        script = "import sys; from uploader.store.sql import open_store; open_store(sys.argv[1]).close()"
        script += "; print('alembic' in sys.modules)"
        opened = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
        assert opened.stdout == "False\n"

    def test_many_that_open_a_new_database_at_once_all_succeed(self, url: str) -> None:
        together = threading.Barrier(6)

        def open_together(_: int) -> SqlStore:
            together.wait()
            return open_store(url)

        with ThreadPoolExecutor(6) as pool:
            stores = list(pool.map(open_together, range(6)))
        for each in stores:
            each.ping()
            each.close()


class TestConnection:
    def test_silent_postgresql_is_given_up_in_seconds_and_the_url_has_the_last_word(
        self, postgres: PostgresServer
    ) -> None:
        url = postgres.new_database()
        more = "&" if "?" in url else "?"
        store = open_store(f"{url}{more}keepalives_idle=7&options=-c%20work_mem%3D5MB")
        with store._engine.connect() as connection:
            shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("statement_timeout", "work_mem")]
            assert connection.connection.dbapi_connection is not None
            asked = connection.connection.dbapi_connection.info.get_parameters()
        store.close()
        assert shown == ["30s", "5MB"]
        assert (asked["tcp_user_timeout"], asked["keepalives_idle"], asked["keepalives_count"]) == ("15000", "7", "3")


class TestCreate:
    def test_what_is_read_is_what_was_stored(self, store: SqlStore, clock: SettableClock) -> None:
        upload, chunks = upload_records(at=clock.now, key="key")
        upload = replace(upload, headers=["a\x00b", "ü"], source_bytes=2**40)
        chunks = [replace(chunk, evidence={"etag": "\x00"}, byte_end=2**40) for chunk in chunks]
        store.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
        assert store.read(upload.upload_id) == (upload, chunks)
        assert store.find(upload.upload_id) == upload
        assert store.read_chunk(upload.upload_id, 2) == (upload, chunks[1])

    def test_the_same_key_gives_the_first_upload_and_stores_nothing(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        first = create(key="key")
        second, chunks = upload_records(at=clock.now, key="key")
        assert store.create(second, chunks, claim=Claim.new(second.upload_id), claim_for=CLAIM_FOR) == first
        assert store.find(second.upload_id) is None

    def test_the_same_key_at_the_same_time_is_decided_once(self, url: str, clock: SettableClock) -> None:
        stores = [open_store(url) for _ in range(4)]
        together = threading.Barrier(4)

        def create(each: SqlStore) -> str:
            upload, chunks = upload_records(at=clock.now, key="key")
            together.wait()
            first = each.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
            return (first or upload).upload_id

        with ThreadPoolExecutor(4) as pool:
            winners = set(pool.map(create, stores))
        assert len(winners) == 1
        assert [upload.upload_id for upload, _ in stores[0].list_uploads(Page(limit=10))] == list(winners)
        for each in stores:
            each.close()

    def test_a_deleted_upload_frees_its_key(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        store.abort(create(key="key").upload_id, force=False, at=clock.now)
        create(key="key")


class TestRead:
    def test_unknown_ids_are_named(self, store: SqlStore, create: Callable[..., UploadRecord]) -> None:
        upload = create()
        for unknown in ("0" * 32, "nul\x00byte", "../etc"):
            with pytest.raises(UploadNotFoundError):
                store.read(unknown)
        with pytest.raises(ChunkNotFoundError, match="has no chunk 4"):
            store.read_chunk(upload.upload_id, 4)
        with pytest.raises(ChunkNotFoundError, match="has no chunk 4"):
            store.edit_chunks(upload.upload_id, [1, 4], lambda chunk: chunk, at=upload.created_at)

    def test_pages_hold_every_upload_once_newest_first(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        created = []
        for second in range(5):
            clock.advance(seconds=second % 2)  # some share their moment
            created.append(create())
        expected = sorted(created, key=lambda upload: (upload.created_at, upload.upload_id), reverse=True)
        found: list[UploadRecord] = []
        while page := store.list_uploads(
            Page(limit=2, after=(found[-1].created_at, found[-1].upload_id) if found else None)
        ):
            assert len(page) <= 2
            found += [upload for upload, _ in page]
        assert found == expected

    def test_a_page_can_be_narrowed_to_a_dataset_and_a_state(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        people, cars = create(), create(dataset_name="cars")
        announce(store, people, 1, clock=clock)
        land(store, cars, clock=clock)
        [(found, counts)] = store.list_uploads(Page(limit=10, dataset_name="people"))
        assert found.upload_id == people.upload_id
        assert counts == {ChunkState.STORED: 2, ChunkState.ANNOUNCED: 1}
        [(found, counts)] = store.list_uploads(Page(limit=10, state=UploadState.LANDED))
        assert found.upload_id == cars.upload_id
        assert counts == {ChunkState.LANDED: 3}
        assert store.list_uploads(Page(limit=10, state=UploadState.LANDED, dataset_name="people")) == []


class TestEditChunks:
    def test_an_upload_goes_from_chunked_to_landed(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        clock.advance(seconds=1)
        assert announce(store, upload, 1, 2, clock=clock).state is UploadState.CHUNKED
        after = announce(store, upload, 3, clock=clock)
        assert (after.state, after.announced_at) == (UploadState.ANNOUNCED, clock.now)
        after, [chunk] = store.edit_chunks(
            upload.upload_id, [2], partial(relayed, evidence={}, at=clock.now), at=clock.now
        )
        assert (after.state, chunk.state, chunk.relayed_at) == (UploadState.LANDING, ChunkState.RELAYED, clock.now)
        assert land(store, upload, 1, 2, clock=clock).state is UploadState.LANDING
        clock.advance(seconds=1)
        after = land(store, upload, 3, clock=clock)
        assert (after.state, after.landed_at) == (UploadState.LANDED, clock.now)
        after, chunks = store.edit_chunks(upload.upload_id, None, partial(cleaned, at=clock.now), at=clock.now)
        assert after.state is UploadState.LANDED
        assert store.read(upload.upload_id) == (after, chunks)

    def test_a_forbidden_change_leaves_every_chunk_as_it_was(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        land(store, upload, 3, clock=clock)
        before = store.read(upload.upload_id)
        with pytest.raises(IllegalStateChangeError, match="'landed' cannot become 'failed'"):
            store.edit_chunks(upload.upload_id, None, partial(failed, reason="x"), at=clock.now)
        assert store.read(upload.upload_id) == before

    def test_failures_are_counted_and_the_first_is_named(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        land(store, upload, 1, clock=clock)
        for chunk_id in (3, 2):
            after, _ = store.edit_chunks(
                upload.upload_id, [chunk_id], partial(failed, reason=f"reason {chunk_id}"), at=clock.now
            )
        assert after.state is UploadState.FAILED
        assert after.error == "2 of 3 chunks failed; the first: chunk 2: reason 2"
        after, _ = store.edit_chunks(upload.upload_id, None, partial(renewed, by_hand=True), at=clock.now)
        assert (after.state, after.error) == (UploadState.CHUNKED, None)

    def test_chunks_that_land_at_once_from_several_processes_are_all_counted(
        self, url: str, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create(chunks=12)
        others = [open_store(url) for _ in range(3)]  # an engine each, as processes have
        together = threading.Barrier(12)

        def land_one(chunk_id: int) -> None:
            together.wait()
            land(others[chunk_id % 3], upload, chunk_id, clock=clock)

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(land_one, range(1, 13)))
        after, chunks = store.read(upload.upload_id)
        assert after.state is UploadState.LANDED
        assert {chunk.state for chunk in chunks} == {ChunkState.LANDED}
        for other in others:
            other.close()


class TestAbort:
    def test_a_deleted_upload_takes_no_more_changes(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        after = store.abort(upload.upload_id, force=False, at=clock.now)
        assert (after.state, after.aborted_at) == (UploadState.ABORTED, clock.now)
        clock.advance(seconds=1)
        assert store.abort(upload.upload_id, force=False, at=clock.now) == after
        with pytest.raises(UploadGoneError):
            land(store, upload, 1, clock=clock)
        assert store.unannounced(upload.upload_id, limit=10) == []

    def test_chunks_on_their_way_stop_it_unless_forced(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        announce(store, upload, 2, clock=clock)
        with pytest.raises(UploadOnItsWayError, match="1 of 3 chunks"):
            store.abort(upload.upload_id, force=False, at=clock.now)
        assert store.abort(upload.upload_id, force=True, at=clock.now).state is UploadState.ABORTED


class TestClaims:
    def claim(self, store: SqlStore, owner: str, clock: SettableClock, holder: str = "replica-0") -> str | None:
        claim = store.claim_unannounced(holder=holder, owner=owner, claim_for=CLAIM_FOR, now=clock.now)
        return None if claim is None else claim.upload_id

    def test_a_new_upload_belongs_to_its_request_until_the_claim_runs_out(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        assert self.claim(store, "a", clock) is None
        clock.advance(seconds=20)
        assert self.claim(store, "a", clock) == upload.upload_id
        assert self.claim(store, "b", clock) is None

    def test_the_oldest_comes_first_and_one_whose_time_has_not_come_is_passed_over(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        older = create()
        clock.advance(seconds=1)
        newer = create()
        clock.advance(seconds=30)
        claim = store.claim_unannounced(holder="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        assert claim.upload_id == older.upload_id
        store.release_claim(claim, until=clock.now + timedelta(seconds=5))
        assert self.claim(store, "b", clock) == newer.upload_id
        assert self.claim(store, "b", clock) is None
        clock.advance(seconds=5)
        assert self.claim(store, "b", clock) == older.upload_id

    def test_one_that_was_put_off_comes_after_those_that_were_not_tried_yet(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        stuck = create()
        clock.advance(seconds=30)
        claim = store.claim_unannounced(holder="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        renewed_one = create()
        announce(store, renewed_one, clock=clock)
        store.edit_chunks(renewed_one.upload_id, None, partial(renewed, by_hand=True), at=clock.now)
        healthy = create()
        store.release_claim(claim, until=clock.now + timedelta(seconds=25))
        clock.advance(minutes=1)
        order = [self.claim(store, owner, clock) for owner in "bcd"]
        assert order == [renewed_one.upload_id, healthy.upload_id, stuck.upload_id]

    def test_a_claim_that_another_has_taken_is_not_renewed(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        create()
        clock.advance(seconds=30)
        claim = store.claim_unannounced(holder="replica-0", owner="a", claim_for=CLAIM_FOR, now=clock.now)
        assert claim is not None
        assert store.renew_claim(claim, claim_for=CLAIM_FOR, now=clock.now)
        clock.advance(seconds=20)
        assert self.claim(store, "b", clock) == claim.upload_id
        assert not store.renew_claim(claim, claim_for=CLAIM_FOR, now=clock.now)
        store.release_claim(claim, until=clock.now)
        assert self.claim(store, "c", clock) is None

    def test_an_upload_is_claimed_once_by_many_at_a_time(
        self, url: str, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
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

    def test_what_was_announced_and_what_others_hold_is_left_alone(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        announce(store, create(), clock=clock)
        elsewhere = create(holder="replica-1")
        clock.advance(seconds=30)
        assert self.claim(store, "a", clock) is None
        assert self.claim(store, "a", clock, holder="replica-1") == elsewhere.upload_id

    def test_a_renewed_announcement_need_not_wait_for_the_first_claim(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        announce(store, upload, clock=clock)
        store.edit_chunks(upload.upload_id, [2], partial(renewed, by_hand=True), at=clock.now)
        assert self.claim(store, "a", clock) == upload.upload_id
        assert [chunk.chunk_id for chunk in store.unannounced(upload.upload_id, limit=10)] == [2]


class TestOverdueAndLanded:
    def test_overdue_is_what_was_heard_of_last_before_the_moment(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload, elsewhere = create(chunks=4), create(holder="replica-1")
        announce(store, upload, 1, 2, 3, clock=clock)
        announce(store, elsewhere, clock=clock)
        land(store, upload, 3, clock=clock)
        clock.advance(minutes=10)
        store.edit_chunks(upload.upload_id, [2], partial(relayed, evidence={}, at=clock.now), at=clock.now)
        before = clock.now - timedelta(minutes=5)
        assert store.overdue(holder="replica-0", before=before, reannounce_limit=3, limit=10) == {upload.upload_id: [1]}
        clock.advance(minutes=10)
        before = clock.now - timedelta(minutes=5)
        assert store.overdue(holder="replica-0", before=before, reannounce_limit=3, limit=10) == {
            upload.upload_id: [1, 2]
        }
        assert store.overdue(holder="replica-0", before=before, reannounce_limit=3, limit=1) == {upload.upload_id: [1]}
        store.abort(upload.upload_id, force=True, at=clock.now)
        assert store.overdue(holder="replica-0", before=before, reannounce_limit=3, limit=10) == {}

    def test_failed_is_overdue_where_it_was_announced_and_has_attempts_left(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create(chunks=3)
        announce(store, upload, 1, 2, clock=clock)
        announce(store, upload, 1, clock=clock)
        store.edit_chunks(upload.upload_id, None, partial(failed, reason="x"), at=clock.now)
        clock.advance(minutes=10)

        def overdue(*, reannounce_limit: int) -> list[int]:
            before = clock.now - timedelta(minutes=5)
            found = store.overdue(holder="replica-0", before=before, reannounce_limit=reannounce_limit, limit=10)
            return found.get(upload.upload_id, [])

        assert overdue(reannounce_limit=0) == []
        assert overdue(reannounce_limit=1) == [2]
        assert overdue(reannounce_limit=2) == [1, 2]

    def test_nothing_is_overdue_in_an_upload_of_which_a_chunk_has_landed_since(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload, other = create(), create()
        announce(store, upload, clock=clock)
        announce(store, other, 1, clock=clock)
        clock.advance(minutes=10)
        landed_at = clock.now
        land(store, upload, 3, clock=clock)
        clock.advance(minutes=5)

        def overdue(before: datetime) -> dict[str, list[int]]:
            return store.overdue(holder="replica-0", before=before, reannounce_limit=3, limit=10)

        assert overdue(landed_at) == {other.upload_id: [1]}
        store.edit_chunks(upload.upload_id, [3], partial(cleaned, at=clock.now), at=clock.now)
        assert overdue(landed_at) == {other.upload_id: [1]}
        assert overdue(clock.now) == {upload.upload_id: [1, 2], other.upload_id: [1]}

    def test_landed_chunks_come_in_the_order_in_which_they_landed(
        self, store: SqlStore, clock: SettableClock, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        for chunk_id in (3, 1):
            land(store, upload, chunk_id, clock=clock)
            clock.advance(hours=1)

        def ids(**query: Any) -> list[int]:
            return [chunk.chunk_id for chunk in store.landed(holder="replica-0", limit=10, **query)]

        assert ids(before=None) == [3, 1]
        assert ids(before=clock.now - timedelta(hours=2)) == [3]
        assert ids(before=clock.now - timedelta(hours=3)) == []
        store.edit_chunks(upload.upload_id, [3], partial(cleaned, at=clock.now), at=clock.now)
        assert ids(before=None) == [1]


class TestHolder:
    def test_uploads_of_another_name_are_adopted_once(
        self, store: SqlStore, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create(holder="old-name")
        assert store.adopt([upload.upload_id, "0" * 32], holder="new-name") == [upload.upload_id]
        assert store.adopt([upload.upload_id], holder="new-name") == []
        assert [each.upload_id for each in store.unlanded(holder="new-name")] == [upload.upload_id]


class TestReplicas:
    def test_a_name_has_the_disk_that_it_had_first(self, store: SqlStore) -> None:
        assert store.find_disk("replica-0") is None
        assert store.assign_disk("replica-0", "a" * 32) == "a" * 32
        assert store.assign_disk("replica-0", "b" * 32) == "a" * 32
        assert store.find_disk("replica-0") == "a" * 32

    def test_a_disk_has_the_name_that_it_had_last(self, store: SqlStore) -> None:
        store.assign_disk("old", "a" * 32)
        store.assign_disk("new", "a" * 32)
        assert (store.find_disk("old"), store.find_disk("new")) == (None, "a" * 32)

    def test_a_replica_is_known_by_its_disk_and_by_what_it_said_last(
        self, store: SqlStore, clock: SettableClock
    ) -> None:
        assert store.find_replica("replica-0") is None
        store.assign_disk("replica-0", "a" * 32)
        said = ReplicaRecord(holder="replica-0", disk_id="a" * 32, base_url=None, seen_at=None)
        assert store.find_replica("replica-0") == said
        for url in ("http://old:8000", "http://new:8000"):
            clock.advance(seconds=5)
            store.check_in("replica-0", base_url=url, at=clock.now)
        store.assign_disk("replica-0", "a" * 32)
        assert store.find_replica("replica-0") == replace(said, base_url="http://new:8000", seen_at=clock.now)

    def test_a_database_of_the_first_schema_is_brought_up_to_date(self, url: str) -> None:
        store = open_store(url)
        engine = store._engine
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.downgrade(config, "0001")
            assert "replicas" not in inspect(connection).get_table_names()
        store.close()
        again = open_store(url)
        assert again.find_disk("replica-0") is None
        again.close()


class TestLeases:
    def test_one_owner_at_a_time(self, store: SqlStore, clock: SettableClock) -> None:
        def take(owner: str) -> bool:
            return store.take_lease("clean/replica-0", owner=owner, lease_for=timedelta(seconds=60), now=clock.now)

        assert take("a")
        assert not take("b")
        clock.advance(seconds=59)
        assert take("a")
        assert not take("b")
        clock.advance(seconds=60)
        assert take("b")
        store.drop_lease("clean/replica-0", owner="a")
        assert not take("a")
        store.drop_lease("clean/replica-0", owner="b")
        assert take("a")

    def test_many_at_once_give_one_owner(self, url: str, clock: SettableClock) -> None:
        stores = [open_store(url) for _ in range(6)]
        together = threading.Barrier(6)

        def take(number: int) -> bool:
            together.wait()
            lease_for = timedelta(seconds=60)
            return stores[number].take_lease("reconcile", owner=str(number), lease_for=lease_for, now=clock.now)

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(take, range(6))) == 1
        for each in stores:
            each.close()
