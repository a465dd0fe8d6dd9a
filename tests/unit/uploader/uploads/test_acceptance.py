from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from contracts.api import UploadAccepted
from contracts.states import UploadState
from tests.support.uploader.acceptance import AcceptanceBench
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import SettableClock, cut_options, cut_result
from uploader.disk.directories import LOCK_FILE, is_abandoned
from uploader.disk.manifest_file import MANIFEST_FILE
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import (
    IdempotencyConflictError,
    InvalidFieldError,
    ManifestUnavailableError,
)
from uploader.store.store import Store


def test_accepted_upload_is_stored_and_announced(
    bench: AcceptanceBench, store: Store, kafka: FakePublisher, clock: SettableClock
) -> None:
    answer = bench.accept_now()
    upload, chunks = store.chunks.read(answer.upload_id)
    assert (upload.state, upload.chunked_at) == (UploadState.ANNOUNCED, clock.now)
    names = sorted(path.name for path in (bench.temp_dir / answer.upload_id).iterdir())
    assert names == [MANIFEST_FILE, *(chunk.filename for chunk in chunks)]
    assert kafka.announced == [(answer.upload_id, 1), (answer.upload_id, 2), (answer.upload_id, 3)]
    assert answer.model_dump() == {
        "upload_id": answer.upload_id,
        "dataset_name": "people",
        "status": "announced",
        "total_chunks": 3,
        "chunk_size": 1,
        "chunk_unit": "rows",
        "tracking_url": f"http://uploader:8000/uploads/{answer.upload_id}/status",
        "created_at": clock.now,
        "row_count": 3,
        "accepted_deviations": None,
        "size_bytes": cut_result().source_bytes,
        "sha256": cut_result().source_sha256,
        "compression": None,
        "headers": ["id", "name"],
    }


def test_manifest_is_committed_and_files_in_place_before_anything_is_announced(
    bench: AcceptanceBench, store: Store, kafka: FakePublisher
) -> None:
    seen = []

    def look() -> None:
        [upload_id] = bench.left()
        seen.append((store.uploads.find(upload_id) is not None, (bench.temp_dir / upload_id / LOCK_FILE).exists()))

    kafka.before_publish = look
    bench.accept_now()
    assert seen == [(True, False)]


def test_unavailable_kafka_is_not_an_error(bench: AcceptanceBench, kafka: FakePublisher, store: Store) -> None:
    kafka.away = True
    answer = bench.accept_now()
    assert answer.status == "awaiting_kafka"
    assert store.chunks.read(answer.upload_id)[0].state is UploadState.CHUNKED


class TestIdempotencyKey:
    def test_same_content_gets_the_first_answer_and_leaves_no_second_copy(
        self, bench: AcceptanceBench, kafka: FakePublisher
    ) -> None:
        first = bench.accept_now(key="key")
        second = bench.accept_now(key="key")
        assert (first.replayed, second.replayed) == (False, True)
        assert second.model_dump() == first.model_dump()
        assert bench.left() == {first.upload_id}
        assert len(kafka.messages) == 3

    @pytest.mark.parametrize(
        ("options", "result"),
        [
            (cut_options(chunk_size=2), cut_result()),
            (cut_options(dataset_name="cars"), cut_result()),
            (cut_options(delimiter=b";"), cut_result()),
            (cut_options(), replace(cut_result(), source_sha256="0" * 64)),
        ],
    )
    def test_other_content_or_options_conflict_and_leave_nothing(
        self, bench: AcceptanceBench, kafka: FakePublisher, options: CutOptions, result: CutResult
    ) -> None:
        first = bench.accept_now(key="key")
        with pytest.raises(IdempotencyConflictError) as raised:
            bench.accept_now(key="key", options=options, result=result)
        assert first.upload_id not in f"{raised.value.detail} {raised.value.extra}"  # it may be another client's
        assert bench.left() == {first.upload_id}
        assert len(kafka.messages) == 3

    def test_concurrent_requests_give_one_upload(self, bench: AcceptanceBench, kafka: FakePublisher) -> None:
        async def both() -> list[UploadAccepted]:
            return await asyncio.gather(*(bench.accept(key="key") for _ in range(4)))

        answers = asyncio.run(both())
        [upload_id] = {answer.upload_id for answer in answers}
        assert [answer.replayed for answer in answers].count(False) == 1
        assert bench.left() == {upload_id}
        assert len(kafka.messages) == 3

    def test_key_of_a_deleted_upload_is_free(self, bench: AcceptanceBench, store: Store, clock: SettableClock) -> None:
        first = bench.accept_now(key="key")
        store.uploads.abort(first.upload_id, force=True, at=clock.now)
        second = bench.accept_now(key="key")
        assert not second.replayed
        assert second.upload_id != first.upload_id

    @pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ü", "nul\x00"])
    def test_malformed_key_is_refused(self, bench: AcceptanceBench, key: str) -> None:
        with pytest.raises(InvalidFieldError, match="1 to 255 visible ASCII"):
            bench.accept_now(key=key)


def test_manifest_that_cannot_be_stored_leaves_no_files(
    bench: AcceptanceBench, store: Store, kafka: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such thing can be stored")

    monkeypatch.setattr(store.uploads, "create", fail)
    with pytest.raises(ValueError, match="no such thing"):
        bench.accept_now()
    assert bench.left() == set()
    assert kafka.calls == 0


def test_commit_whose_outcome_is_unknown_keeps_the_files_for_the_cleaner_to_decide(
    bench: AcceptanceBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.uploads.create

    def commit_and_lose_the_answer(*args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are
        raise ManifestUnavailableError("the connection broke")

    monkeypatch.setattr(store.uploads, "create", commit_and_lose_the_answer)
    with pytest.raises(ManifestUnavailableError, match="the connection broke"):
        bench.accept_now()
    [upload_id] = bench.left()
    assert store.uploads.find(upload_id) is not None
    # The mark of a directory that may have no manifest; the lock itself is given up.
    assert (bench.temp_dir / upload_id / LOCK_FILE).exists()
    assert is_abandoned(bench.temp_dir / upload_id)


class TestNothingFailsOnceTheManifestIsCommitted:
    """The client would send again, and the data would arrive twice."""

    def test_unexpected_error_of_the_publisher(
        self, bench: AcceptanceBench, store: Store, kafka: FakePublisher, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> None:
            raise AssertionError("nobody foresaw this")

        kafka.before_publish = fail
        answer = bench.accept_now()
        assert answer.status == "awaiting_kafka"
        assert store.uploads.find(answer.upload_id) is not None
        assert answer.upload_id in {vars(record).get("upload_id") for record in caplog.records}
        assert "nobody foresaw this" in caplog.text

    def test_database_failure_right_after_the_commit(
        self, bench: AcceptanceBench, store: Store, kafka: FakePublisher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise ManifestUnavailableError("database is locked")

        kafka.before_publish = lambda: monkeypatch.setattr(store.chunks, "edit", away)
        answer = bench.accept_now()
        assert bench.left() == {answer.upload_id}

    def test_lock_file_that_cannot_be_removed(
        self,
        bench: AcceptanceBench,
        kafka: FakePublisher,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def fail(_: StagingDirectory) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(StagingDirectory, "release", fail)
        answer = bench.accept_now()
        assert len(kafka.messages) == 3
        assert answer.upload_id in {vars(record).get("upload_id") for record in caplog.records}


def test_cancelled_request_leaves_a_complete_upload(
    bench: AcceptanceBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    create, done = store.uploads.create, []

    def create_slowly(*args: object, **kwargs: object) -> object:
        begun.set()
        assert go_on.wait(60)
        done.append(create(*args, **kwargs))  # type: ignore[arg-type]  # handed on as they are
        return done[0]

    monkeypatch.setattr(store.uploads, "create", create_slowly)

    async def cancel_half_way() -> None:
        task = asyncio.create_task(bench.accept())
        await asyncio.to_thread(begun.wait, 60)
        for _ in range(3):  # a server that stops may insist
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not task.done(), "the lock of the directory must not go before the commit"
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [None]

    asyncio.run(cancel_half_way())
    [upload_id] = bench.left()
    upload, chunks = store.chunks.read(upload_id)
    assert upload.state is UploadState.ANNOUNCED
    assert all((bench.temp_dir / upload_id / chunk.filename).exists() for chunk in chunks)


def test_filename_that_postgresql_cannot_store_is_adjusted(bench: AcceptanceBench, store: Store) -> None:
    answer = bench.accept_now(result=cut_result(filename="a\x00b\udcff.csv"))
    found = store.uploads.find(answer.upload_id)
    assert found is not None
    assert found.source_filename == "ab?.csv"
