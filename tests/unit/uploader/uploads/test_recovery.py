"""A start compares the database with the disk, and each disk belongs to one replica."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.states import ChunkState, UploadState
from tests.support.uploader.cleaning import FakeDisk
from tests.support.uploader.uploads import SettableClock
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.records import UploadOverview, UploadRecord
from uploader.store.store import Store
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.recovery import check_disk, recover


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
