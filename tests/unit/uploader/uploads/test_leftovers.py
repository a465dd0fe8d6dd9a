"""Files that no upload in the database owns are removed when nobody can own them any more, and kept otherwise."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.uploader.cleaning import chunk_names
from tests.support.uploader.uploads import REPLICA, SettableClock, cut_result, write_chunks
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directories import LOCK_FILE, STAGING
from uploader.disk.manifest_file import write_manifest
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.records import UploadRecord
from uploader.errors import ManifestLostError
from uploader.store.store import Store, open_store
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.recovery import recover

NOBODY = "0" * 31


def age(path: Path, *, minutes: float) -> None:
    then = time.time() - minutes * 60
    os.utime(path, (then, then))


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
        assert len(chunk_names(temp_dir, upload)) == 3
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
        assert chunk_names(temp_dir, upload) == [f"people_chunk_{n:03d}_stamp.csv" for n in (1, 2, 3)]

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
