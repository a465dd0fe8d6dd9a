from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.states import ChunkState, UploadState
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.stored_uploads import land
from tests.support.uploader.uploads import REPLICA, SettableClock, cut_result, write_chunks
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directories import LOCK_FILE, STAGING
from uploader.disk.manifest_file import write_manifest
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.errors import BucketUnavailableError, ManifestLostError
from uploader.store.store import Store, open_store
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler
from uploader.uploads.recovery import check_disk, recover

NOBODY = "0" * 31


class FakeDisk(ChunkFiles):
    """The real files, with free space as the test says: so much, and what was removed."""

    free = 1_000_000
    given_back_per_chunk = 0

    def free_bytes(self) -> int:
        return self.free

    def remove_chunks(self, upload_id: str, chunks: Iterable[ChunkRecord]) -> None:
        removed = list(chunks)
        super().remove_chunks(upload_id, removed)
        self.free += self.given_back_per_chunk * len(removed)


class FakeObjectChecker:
    """Finds the faults that a test has put in, by chunk; with ``is_away`` it does not answer."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.is_away = False
        self.asked: list[ChunkObject] = []

    def find_fault(self, expected: ChunkObject) -> str | None:
        if self.is_away:
            raise BucketUnavailableError("the bucket does not answer")
        self.asked.append(expected)
        return self.faults.get(expected.key)


@pytest.fixture
def objects() -> FakeObjectChecker:
    return FakeObjectChecker()


@pytest.fixture
def disk(temp_dir: Path) -> FakeDisk:
    return FakeDisk(temp_dir)


@pytest.fixture
def cleaner(store: Store, disk: FakeDisk, clock: SettableClock, objects: FakeObjectChecker) -> Cleaner:
    return Cleaner(
        store=store,
        files=disk,
        replica=REPLICA,
        after=timedelta(hours=24),
        low_disk_bytes=1_000,
        clock=clock,
        objects=objects,
    )


def names(temp_dir: Path, upload: UploadRecord) -> list[str]:
    directory = temp_dir / upload.upload_id
    return sorted(path.name for path in directory.iterdir() if path.suffix == ".csv") if directory.exists() else []


def age(path: Path, *, minutes: float) -> None:
    then = time.time() - minutes * 60
    os.utime(path, (then, then))


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
        assert len(names(temp_dir, upload)) == 3
        clock.advance(hours=1)
        cleaner.run_pass()
        assert names(temp_dir, upload) == ["people_chunk_003_stamp.csv"]
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

        assert names(temp_dir, upload) == ["people_chunk_002_stamp.csv"]
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

        assert len(names(temp_dir, upload)) == 3
        assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.LANDED}
        objects.is_away = False
        disk.given_back_per_chunk = 1_000_000
        cleaner.run_pass()
        assert names(temp_dir, upload) == []

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
        assert len(names(temp_dir, upload)) == 3
        clock.advance(hours=24)
        cleaner.run_pass()
        assert len(names(temp_dir, upload)) == 2

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
        assert len(names(temp_dir, upload)) == 3

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
        assert (len(names(temp_dir, older)), len(names(temp_dir, younger))) == (0, 10)

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
        assert len(names(temp_dir, upload)) == 1


class TestLeftovers:
    def test_half_received_files_are_removed_only_if_their_process_is_dead(
        self, cleaner: Cleaner, temp_dir: Path
    ) -> None:
        living = StagingDirectory(temp_dir=temp_dir, upload_id="a" * 32)
        living.create()
        dead = temp_dir / STAGING / ("b" * 32)
        dead.mkdir()
        (dead / LOCK_FILE).touch()
        (dead / "x.csv").touch()
        cleaner.sweep()
        assert living.path.exists()
        assert not dead.exists()
        living._discard()

    def test_directory_between_rename_and_commit_stays_while_its_process_lives(
        self, cleaner: Cleaner, temp_dir: Path
    ) -> None:
        living = StagingDirectory(temp_dir=temp_dir, upload_id="a" * 32)
        living.create()
        living._commit(b"{}")
        age(living.final_path, minutes=60)
        cleaner.sweep()
        assert living.final_path.exists()
        living._discard()

    def test_directory_without_a_manifest_is_removed_once_no_commit_can_follow(
        self, cleaner: Cleaner, temp_dir: Path
    ) -> None:
        old, young = (temp_dir / f"{NOBODY}{digit}" for digit in "12")
        for path in (old, young):
            write_chunks(path, cut_result())
            (path / LOCK_FILE).touch()
        age(old / LOCK_FILE, minutes=2)
        cleaner.sweep()
        assert [path.exists() for path in (old, young)] == [False, True]

    @pytest.mark.parametrize("has_manifest", [True, False])
    def test_unknown_files_are_kept_and_reported_once(
        self,
        files: ChunkFiles,
        clock: SettableClock,
        temp_dir: Path,
        tmp_path: Path,
        create: Callable[..., UploadRecord],
        caplog: pytest.LogCaptureFixture,
        has_manifest: bool,
    ) -> None:
        upload = create()
        if has_manifest:
            write_manifest(temp_dir / upload.upload_id, b"{}")
        other = open_store(f"sqlite:///{tmp_path / 'other.sqlite3'}")
        cleaner = Cleaner(
            store=other,
            files=files,
            replica=REPLICA,
            after=timedelta(hours=24),
            low_disk_bytes=0,
            clock=clock,
        )
        recover(store=other, files=files, cleaner=cleaner, replica="replica-0", clock=clock)
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(record)["upload_id"] == upload.upload_id
        assert "DATABASE_URL" in record.getMessage()
        assert len(names(temp_dir, upload)) == 3
        if has_manifest:
            with pytest.raises(ManifestLostError, match="csvpipe recover"):
                other.ping()
        else:  # nothing is known of these files, not even that they were accepted: that must not stop all others
            cleaner.sweep()
            assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
        other.close()

    def test_worker_without_the_lease_detects_a_replaced_database(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        create()
        store.leases.take("clean/replica-0", owner="another", lease_for=timedelta(minutes=1), now=clock.now)
        cleaner.run_pass()
        stranger = temp_dir / f"{NOBODY}1"
        write_chunks(stranger, cut_result())
        write_manifest(stranger, b"{}")
        cleaner.run_pass()
        with pytest.raises(ManifestLostError, match=stranger.name):
            store.check_usable()

    def test_crash_right_after_the_commit_leaves_a_complete_upload(
        self, cleaner: Cleaner, temp_dir: Path, create: Callable[..., UploadRecord]
    ) -> None:
        upload = create()
        (temp_dir / upload.upload_id / LOCK_FILE).touch()
        cleaner.sweep()
        assert names(temp_dir, upload) == [f"people_chunk_{n:03d}_stamp.csv" for n in (1, 2, 3)]

    def test_files_of_a_deleted_upload_are_removed(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        store.uploads.abort(upload.upload_id, force=False, at=clock.now)
        age(temp_dir / upload.upload_id, minutes=2)
        cleaner.sweep()
        assert not (temp_dir / upload.upload_id).exists()

    def test_unrelated_files_are_not_touched(self, cleaner: Cleaner, temp_dir: Path) -> None:
        stranger = temp_dir / "lost+found"
        stranger.mkdir()
        age(stranger, minutes=60)
        cleaner.sweep()
        assert stranger.exists()
        assert (temp_dir / "manifest.sqlite3").exists()


class TestRecovery:
    def test_lost_file_fails_its_chunk_and_no_other(
        self,
        cleaner: Cleaner,
        store: Store,
        disk: FakeDisk,
        clock: SettableClock,
        temp_dir: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        (temp_dir / upload.upload_id / "people_chunk_002_stamp.csv").unlink()
        (temp_dir / upload.upload_id / "people_chunk_003_stamp.csv").write_bytes(b"cut off")
        recover(store=store, files=disk, cleaner=cleaner, replica="replica-0", clock=clock)
        _, chunks = store.chunks.read(upload.upload_id)
        assert [chunk.state for chunk in chunks] == [ChunkState.STORED, ChunkState.FAILED, ChunkState.FAILED]
        assert chunks[1].error == "its file is missing from the uploader's disk"
        assert chunks[2].error is not None
        assert "has 7 bytes" in chunks[2].error

    def test_renamed_replica_adopts_only_the_uploads_on_its_disk(
        self,
        cleaner: Cleaner,
        store: Store,
        disk: FakeDisk,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        here, elsewhere = create(replica="old-name"), create(replica="replica-1", with_files=False)
        recover(store=store, files=disk, cleaner=cleaner, replica="replica-0", clock=clock)
        assert store.chunks.read(here.upload_id)[0].replica == "replica-0"
        assert store.chunks.read(elsewhere.upload_id)[0].replica == "replica-1"
        assert {chunk.state for chunk in store.chunks.read(elsewhere.upload_id)[1]} == {ChunkState.STORED}

    def test_concurrent_deletion_does_not_stop_the_start(
        self,
        cleaner: Cleaner,
        store: Store,
        disk: FakeDisk,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        upload = create(with_files=False)
        unlanded = store.backlog.unlanded

        def find_and_delete(*, replica: str) -> list[UploadOverview]:
            found = unlanded(replica=replica)
            store.uploads.abort(upload.upload_id, force=True, at=clock.now)
            return found

        monkeypatch.setattr(store.backlog, "unlanded", find_and_delete)
        recover(store=store, files=disk, cleaner=cleaner, replica="replica-0", clock=clock)
        assert store.chunks.read(upload.upload_id)[0].state is UploadState.ABORTED


class TestDiskOfAReplica:
    def start(self, store: Store, cleaner: Cleaner, clock: SettableClock, disk: Path, name: str) -> None:
        disk.mkdir(exist_ok=True)
        recover(store=store, files=ChunkFiles(disk), cleaner=cleaner, replica=name, clock=clock)

    def test_second_disk_of_the_same_name_is_refused_and_no_chunk_fails(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        tmp_path: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        self.start(store, cleaner, clock, temp_dir, "replica-0")
        other = tmp_path / "other"
        for _ in range(2):
            with pytest.raises(SettingsError) as caught:
                self.start(store, cleaner, clock, other, "replica-0")
        assert not list(other.iterdir()), "nothing is written to what may be a bare mount point"
        for word in ("TEMP_DIR", "REPLICA_NAME", "replica-0", str(other)):
            assert word in caught.value.detail
        assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.STORED}
        self.start(store, cleaner, clock, temp_dir, "replica-0")
        self.start(store, cleaner, clock, other, "replica-1")

    def test_replaced_disk_is_accepted_with_the_expected_id(
        self,
        cleaner: Cleaner,
        store: Store,
        clock: SettableClock,
        temp_dir: Path,
        tmp_path: Path,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload = create()
        self.start(store, cleaner, clock, temp_dir, "replica-0")
        new = tmp_path / "new"
        with pytest.raises(SettingsError) as caught:
            self.start(store, cleaner, clock, new, "replica-0")
        said = re.search(r"write (\w+) into (\S+):", caught.value.detail)
        assert said is not None
        Path(said[2]).write_text(said[1])
        self.start(store, cleaner, clock, new, "replica-0")
        assert {chunk.state for chunk in store.chunks.read(upload.upload_id)[1]} == {ChunkState.FAILED}

    def test_renamed_replica_releases_its_old_name(
        self, cleaner: Cleaner, store: Store, clock: SettableClock, temp_dir: Path, tmp_path: Path
    ) -> None:
        self.start(store, cleaner, clock, temp_dir, "old-name")
        self.start(store, cleaner, clock, temp_dir, "new-name")
        self.start(store, cleaner, clock, tmp_path / "other", "old-name")
        with pytest.raises(SettingsError):
            self.start(store, cleaner, clock, temp_dir, "old-name")

    def test_concurrent_workers_agree_on_the_id_of_a_new_disk(
        self, cleaner: Cleaner, store: Store, temp_dir: Path
    ) -> None:
        together = threading.Barrier(6)

        def start(_: int) -> None:
            together.wait()
            check_disk(store=store, files=ChunkFiles(temp_dir), replica="replica-0")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(start, range(6)))
        assert [path.name for path in temp_dir.glob(".replica*")] == [".replica"]
