from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB
from contracts.states import ChunkState, UploadState
from tests.support.signatures import signer
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.domain.records import UploadRecord
from uploader.kafka.publisher import PublishResult
from uploader.store.claims import Claim
from uploader.store.store import Store
from uploader.uploads.outbox import CLAIM_FOR, Outbox


def states(store: Store, upload: UploadRecord) -> list[ChunkState]:
    return [chunk.state for chunk in store.chunks.read(upload.upload_id)[1]]


def test_waiting_uploads_are_announced_once_oldest_first(
    outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    older = create(chunks=2)
    clock.advance(seconds=1)
    newer = create(chunks=1)
    assert outbox.run_pass()
    assert outbox.run_pass()
    assert kafka.announced == [(older.upload_id, 1), (older.upload_id, 2), (newer.upload_id, 1)]
    after, chunks = store.chunks.read(older.upload_id)
    assert after.state is UploadState.ANNOUNCED
    assert [(chunk.attempts, chunk.announced_at) for chunk in chunks] == [(1, clock.now)] * 2


def test_message_has_the_download_url_and_the_object_url(
    outbox: Outbox, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=2)
    outbox.run_pass()
    message = kafka.messages[1]
    signature = signer(clock=clock).sign(upload.upload_id, 2)
    assert message.api_endpoint == f"http://uploader:8000/chunks/{upload.upload_id}/2/download/{signature}"
    assert message.file_path == "s3://raw/people/people_chunk_002_stamp.csv"
    assert (message.published_at, message.total_chunks, message.row_start) == (clock.now, 2, 2)


def test_upload_larger_than_a_batch_is_announced_completely(
    outbox: Outbox, store: Store, kafka: FakePublisher, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=1_100, with_files=False)
    assert outbox.run_pass()
    assert [chunk_id for _, chunk_id in kafka.announced] == list(range(1, 1_101))
    assert kafka.calls == 3
    found = store.uploads.find(upload.upload_id)
    assert found is not None
    assert found.state is UploadState.ANNOUNCED


def test_batches_of_wide_headers_are_limited_in_bytes(
    outbox: Outbox, kafka: FakePublisher, create: Callable[..., UploadRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Sequence[ChunkMessage]] = []
    publish = kafka.publish

    def note(messages: Sequence[ChunkMessage], **given: Any) -> PublishResult:
        batches.append(messages)
        return publish(messages, **given)

    monkeypatch.setattr(kafka, "publish", note)
    upload = create(chunks=300, with_files=False, headers=["x" * 60] * 1000)
    assert outbox.run_pass()
    assert [chunk_id for _, chunk_id in kafka.announced] == list(range(1, 301))
    assert max(sum(len(each.to_bytes()) for each in batch) for batch in batches) < 4 * BYTES_PER_MB
    assert len(batches) > 4
    for batch in batches:  # one list for all, however many
        assert len({id(each.headers) for each in batch}) == 1
        assert batch[-1].headers == upload.headers
        assert batch[-1].header_count == 1000


def test_unavailable_kafka_ends_the_pass_and_nothing_is_marked(
    outbox: Outbox, store: Store, kafka: FakePublisher, create: Callable[..., UploadRecord]
) -> None:
    uploads = [create(), create()]
    kafka.away = True
    assert not outbox.run_pass()
    assert kafka.calls == 1
    for upload in uploads:
        assert set(states(store, upload)) == {ChunkState.STORED}


def test_failing_upload_does_not_delay_the_others(
    outbox: Outbox, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    stuck = create()
    clock.advance(seconds=1)
    next_one = create()
    kafka.away = True
    assert not outbox.run_pass()
    kafka.away = False
    assert outbox.run_pass()
    assert {upload_id for upload_id, _ in kafka.announced} == {next_one.upload_id}
    clock.advance(seconds=5)
    assert outbox.run_pass()
    assert (stuck.upload_id, 1) in kafka.announced


def test_failing_oldest_upload_does_not_starve_the_others(
    outbox: Outbox, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    stuck = create()
    behind = []
    for _ in range(3):
        clock.advance(seconds=1)
        behind.append(create().upload_id)

    def fail_the_oldest() -> None:
        kafka.away = kafka.about_to_publish == stuck.upload_id

    kafka.before_publish = fail_the_oldest
    for _ in range(4):
        clock.advance(seconds=30)  # as long as the loop waits at most after failures
        outbox.run_pass()
    assert {upload_id for upload_id, _ in kafka.announced} == set(behind)


def test_acknowledged_messages_of_a_failed_batch_are_not_sent_again(
    outbox: Outbox, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=3)
    kafka.takes = 2
    assert not outbox.run_pass()
    kafka.takes = None
    clock.advance(seconds=5)
    assert outbox.run_pass()
    assert kafka.announced == [(upload.upload_id, chunk_id) for chunk_id in (1, 2, 3)]


def test_expired_claim_announces_nothing(
    outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock
) -> None:
    upload, chunks = upload_records(at=clock.now)
    claim = Claim.new(upload.upload_id)
    store.uploads.create(upload, chunks, claim=claim, claim_for=CLAIM_FOR)
    clock.advance(seconds=30)  # the commit waited for SQLite's lock
    assert store.claims.claim_next(replica="replica-0", owner="another", claim_for=CLAIM_FOR, now=clock.now)
    outbox.announce_now(upload, claim)
    assert kafka.calls == 0


def test_refused_message_fails_only_its_chunk(
    outbox: Outbox, store: Store, kafka: FakePublisher, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=3)
    kafka.refuses = {2}
    assert outbox.run_pass()
    assert states(store, upload) == [ChunkState.ANNOUNCED, ChunkState.FAILED, ChunkState.ANNOUNCED]
    assert store.chunks.read(upload.upload_id)[0].error == (
        "1 of 3 chunks failed; the first: chunk 2: Kafka refused its message: too large"
    )


def test_upload_deleted_while_it_is_announced_stays_deleted(
    outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    upload = create()

    def delete() -> None:
        store.uploads.abort(upload.upload_id, force=False, at=clock.now)

    kafka.before_publish = delete
    assert outbox.run_pass()
    assert store.chunks.read(upload.upload_id)[0].state is UploadState.ABORTED
    assert kafka.calls == 1


def test_worker_that_lost_its_claim_stops_announcing(
    outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=600, with_files=False)

    def lose_the_claim() -> None:
        clock.advance(minutes=1)
        assert store.claims.claim_next(replica="replica-0", owner="another", claim_for=CLAIM_FOR, now=clock.now)

    kafka.before_publish = lose_the_claim
    assert outbox.run_pass()
    assert kafka.announced == [(upload.upload_id, chunk_id) for chunk_id in range(1, 501)]


def test_chunk_that_landed_before_the_commit_stays_landed(
    outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    from functools import partial

    from uploader.domain.transitions import landed

    upload = create(chunks=1)
    [chunk] = store.chunks.read(upload.upload_id)[1]
    evidence = {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}

    def land() -> None:
        edit = partial(landed, evidence=evidence, at=clock.now)
        store.chunks.edit(upload.upload_id, [1], edit, at=clock.now)

    kafka.before_publish = land
    assert outbox.run_pass()
    after, [chunk] = store.chunks.read(upload.upload_id)
    assert (after.state, chunk.state, chunk.attempts) == (UploadState.LANDED, ChunkState.LANDED, 1)


class TestAnnounceNow:
    def create_claimed(self, store: Store, clock: SettableClock) -> tuple[UploadRecord, Claim]:
        upload, chunks = upload_records(at=clock.now)
        claim = Claim.new(upload.upload_id)
        store.uploads.create(upload, chunks, claim=claim, claim_for=CLAIM_FOR)
        return upload, claim

    def test_request_tries_three_times_and_then_leaves_the_upload_to_the_outbox(
        self,
        outbox: Outbox,
        store: Store,
        kafka: FakePublisher,
        clock: SettableClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        upload, claim = self.create_claimed(store, clock)
        kafka.away = True
        with caplog.at_level(logging.WARNING):
            outbox.announce_now(upload, claim)
        assert kafka.calls == 3
        assert upload.upload_id in {getattr(record, "upload_id", None) for record in caplog.records}
        kafka.away = False
        assert outbox.run_pass()
        assert len(kafka.messages) == 3

    def test_the_outbox_of_another_worker_leaves_a_fresh_upload_to_its_request(
        self, outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock
    ) -> None:
        upload, claim = self.create_claimed(store, clock)
        assert outbox.run_pass()
        assert kafka.calls == 0
        outbox.announce_now(upload, claim)
        assert outbox.run_pass()
        assert len(kafka.messages) == 3

    def test_upload_of_a_dead_request_is_announced_after_its_claim_expires(
        self, outbox: Outbox, store: Store, kafka: FakePublisher, clock: SettableClock
    ) -> None:
        self.create_claimed(store, clock)
        clock.advance(seconds=CLAIM_FOR.total_seconds())
        assert outbox.run_pass()
        assert len(kafka.messages) == 3
