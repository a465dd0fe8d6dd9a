"""Files of landed chunks are removed; those of all other chunks are kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.states import ChunkState, UploadState
from tests.support.uploader.cleaning import FakeDisk, FakeObjectChecker, chunk_names
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.stored_uploads import land
from tests.support.uploader.uploads import REPLICA, SettableClock
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import UploadRecord
from uploader.store.store import Store
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler


class TestLandedChunks:
    def test_files_are_removed_after_the_delay_and_then_marked(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        land(store, upload, 1, 2, clock=clock)
        clock.advance(hours=23)
        cleaner.run_pass()
        assert len(chunk_names(temp_dir, upload)) == 3
        clock.advance(hours=1)
        cleaner.run_pass()
        assert chunk_names(temp_dir, upload) == ["people_chunk_003_stamp.csv"]
        states = [chunk.state for chunk in store.chunks.read(upload.upload_id)[1]]
        assert states == [ChunkState.CLEANED, ChunkState.CLEANED, ChunkState.STORED]
        land(store, upload, 3, clock=clock)
        clock.advance(hours=24)
        cleaner.run_pass()
        assert not (temp_dir / upload.upload_id).exists()
        assert store.chunks.read(upload.upload_id)[0].state is UploadState.LANDED

    def test_chunk_that_is_not_in_the_bucket_is_kept_and_announced_again(
        self,
        cleaner: Cleaner,
        objects: FakeObjectChecker,
        outbox: Outbox,
        kafka: FakePublisher,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        outbox.run_pass()
        land(store, upload, 1, 2, 3, clock=clock)
        objects.faults["people/people_chunk_002_stamp.csv"] = "it does not exist"
        clock.advance(hours=24)

        cleaner.run_pass()

        assert chunk_names(temp_dir, upload) == ["people_chunk_002_stamp.csv"]
        overview, chunks = store.chunks.read(upload.upload_id)
        assert [chunk.state for chunk in chunks] == [ChunkState.CLEANED, ChunkState.FAILED, ChunkState.CLEANED]
        assert overview.state is UploadState.FAILED
        assert "chunk 2: reported as landed, but it does not exist" in str(overview.error)
        after, limit = timedelta(minutes=30), 3
        Reconciler(store=store, replica=REPLICA, after=after, limit=limit, clock=clock).run_pass()
        outbox.run_pass()
        assert kafka.announced[3:] == [(upload.upload_id, 2)]
        objects.faults.clear()
        land(store, upload, 2, clock=clock)
        clock.advance(hours=24)
        cleaner.run_pass()
        overview, chunks = store.chunks.read(upload.upload_id)
        assert overview.state is UploadState.LANDED
        assert {chunk.state for chunk in chunks} == {ChunkState.CLEANED}

    @pytest.mark.parametrize("low_disk", [False, True])
    def test_no_file_is_removed_while_the_bucket_cannot_be_checked(
        self,
        cleaner: Cleaner,
        objects: FakeObjectChecker,
        disk: FakeDisk,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
        low_disk: bool,
    ) -> None:
        upload = create()
        land(store, upload, 1, 2, 3, clock=clock)
        clock.advance(hours=24)
        disk.free = 0 if low_disk else disk.free
        objects.is_away = True

        assert cleaner.run_pass()

        assert len(chunk_names(temp_dir, upload)) == 3
        assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.LANDED}
        objects.is_away = False
        disk.given_back_per_chunk = 1_000_000
        cleaner.run_pass()
        assert chunk_names(temp_dir, upload) == []

    def test_object_is_looked_at_with_what_was_announced(
        self,
        cleaner: Cleaner,
        objects: FakeObjectChecker,
        store: Store,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        land(store, upload, 1, clock=clock)
        clock.advance(hours=24)
        cleaner.run_pass()
        [chunk, *_] = store.chunks.read(upload.upload_id)[1]
        expected = ChunkObject(
            bucket="raw", key="people/people_chunk_001_stamp.csv", size_bytes=chunk.size_bytes, sha256=chunk.sha256
        )
        assert objects.asked == [expected]

    def test_clock_set_back_does_not_delay_the_removal(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        clock.advance(days=365)
        land(store, upload, 1, clock=clock)
        clock.advance(days=-365)
        cleaner.run_pass()
        assert len(chunk_names(temp_dir, upload)) == 3
        clock.advance(hours=24)
        cleaner.run_pass()
        assert len(chunk_names(temp_dir, upload)) == 2

    def test_unlanded_chunks_are_never_removed(
        self,
        cleaner: Cleaner,
        disk: FakeDisk,
        outbox: Outbox,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        outbox.run_pass()
        clock.advance(days=365)
        disk.free = 0
        cleaner.run_pass()
        assert len(chunk_names(temp_dir, upload)) == 3

    def test_low_disk_removes_the_oldest_landed_first_and_no_more_than_needed(
        self,
        cleaner: Cleaner,
        disk: FakeDisk,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        younger, older = create(chunks=10), create(chunks=10)
        land(store, older, *range(1, 11), clock=clock)
        clock.advance(minutes=1)
        land(store, younger, *range(1, 11), clock=clock)
        disk.free, disk.given_back_per_chunk = 900, 10
        cleaner.run_pass()
        assert (len(chunk_names(temp_dir, older)), len(chunk_names(temp_dir, younger))) == (0, 10)

    def test_crash_between_removal_and_commit_is_repaired(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create(chunks=2)
        land(store, upload, 1, 2, clock=clock)
        (temp_dir / upload.upload_id / "people_chunk_001_stamp.csv").unlink()
        clock.advance(hours=24)
        cleaner.run_pass()
        assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.CLEANED}

    def test_one_worker_cleans_at_a_time(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create(chunks=1)
        land(store, upload, 1, clock=clock)
        clock.advance(hours=25)
        store.leases.take("clean/replica-0", owner="another", lease_for=timedelta(minutes=1), now=clock.now)
        cleaner.run_pass()
        assert len(chunk_names(temp_dir, upload)) == 1
