"""Two uploads of a dataset that began in the same microsecond: the chunks of the second get other names."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.names import chunk_filename, timestamp
from tests.support.uploader.acceptance import AcceptanceBench
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import SettableClock, chunk_bytes, cut_result, write_chunks
from uploader.disk.directories import LOCK_FILE, STAGING
from uploader.disk.manifest_file import MANIFEST_FILE, read_manifest
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.records import UploadRecord
from uploader.runtime.clock import IncreasingClock
from uploader.store.store import Store
from uploader.store.uploads import TimestampCollisionError
from uploader.uploads.cleaner import Cleaner


def test_second_one_gets_the_names_of_another_moment(
    bench: AcceptanceBench, store: Store, kafka: FakePublisher, clock: SettableClock
) -> None:
    result = cut_result(stamp=timestamp(clock.now))
    first = bench.accept_now(result=result)
    bench.moments = IncreasingClock(clock)  # another replica's
    second = bench.accept_now(result=result)
    assert timedelta() < first.created_at - second.created_at <= timedelta(milliseconds=1)
    upload, chunks = store.chunks.read(second.upload_id)
    assert upload.created_at == second.created_at
    assert [chunk.filename for chunk in chunks] == [
        chunk_filename("people", chunk_id, timestamp(second.created_at)) for chunk_id in (1, 2, 3)
    ]
    directory = bench.temp_dir / second.upload_id
    assert {path.name for path in directory.iterdir()} == {MANIFEST_FILE, *(chunk.filename for chunk in chunks)}
    assert [(directory / chunk.filename).read_bytes() for chunk in chunks] == [chunk_bytes(n) for n in (1, 2, 3)]
    manifest = read_manifest(directory)
    assert manifest is not None
    assert manifest.upload.created_at == second.created_at
    assert [chunk.filename for chunk in manifest.chunks] == [chunk.filename for chunk in chunks]
    assert kafka.announced[3:] == [(second.upload_id, 1), (second.upload_id, 2), (second.upload_id, 3)]
    assert bench.left() == {first.upload_id, second.upload_id}


def test_repeated_upload_gets_the_first_answer(bench: AcceptanceBench, clock: SettableClock) -> None:
    first = bench.accept_now(key="key")
    bench.moments = IncreasingClock(clock)
    assert bench.accept_now(key="key").upload_id == first.upload_id
    assert bench.left() == {first.upload_id}


def test_attempts_are_bounded_and_the_last_leaves_nothing(
    bench: AcceptanceBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = set()

    def collide(upload: UploadRecord, *_: object, **__: object) -> None:
        moments.add(upload.created_at)
        raise TimestampCollisionError

    monkeypatch.setattr(store.uploads, "create", collide)
    with pytest.raises(TimestampCollisionError):
        bench.accept_now()
    assert len(moments) > 3
    assert bench.left() == set()


@pytest.mark.parametrize("step", range(5))
def test_process_that_dies_while_renaming_leaves_nothing(
    store: Store, cleaner: Cleaner, temp_dir: Path, step: int
) -> None:
    """The steps: the directory, the manifest, and each of the three files."""

    class Killed(BaseException):
        pass

    done: list[Path] = []

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *to: Path) -> object:
            if len(done) == step:
                raise Killed
            done.append(path)
            return real(path, *to)

        return call

    result = cut_result()
    directory = StagingDirectory(temp_dir=temp_dir, upload_id="a" * 32)
    directory.create()
    write_chunks(directory.path, result)
    directory._commit(b"{}")
    with (
        patch.object(Path, "rename", dying(Path.rename)),
        patch.object(Path, "unlink", dying(Path.unlink)),
        pytest.raises(Killed),
    ):
        directory._take_back({chunk.filename: f"new-{chunk.filename}" for chunk in result.chunks})
    os.close(directory._lock_fd)  # as the kernel does
    for lock in temp_dir.rglob(LOCK_FILE):
        os.utime(lock, (0, 0))
    cleaner.sweep()
    assert [path.name for path in temp_dir.iterdir() if path.is_dir()] == [STAGING]
    assert list((temp_dir / STAGING).iterdir()) == []
    store.check_usable()
