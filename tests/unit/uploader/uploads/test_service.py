"""Failure reports of the relay, and repeated announcements by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from contracts.api import StateChange
from contracts.states import ChunkState, UploadState
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import ACTOR, REPLICA, SettableClock
from uploader.access.principal import EVERYBODY
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.domain.transitions import cleaned, landed, renewed
from uploader.errors import PublishError
from uploader.store.store import Store
from uploader.uploads.outbox import Outbox
from uploader.uploads.replicas import Replicas
from uploader.uploads.service import UploadService

NIFI_FAILURE = StateChange(state=ChunkState.FAILED, reason="NiFi refused it")


@pytest.fixture
def service(store: Store, files: ChunkFiles, outbox: Outbox, replicas: Replicas, clock: SettableClock) -> UploadService:
    return UploadService(
        store=store,
        files=files,
        outbox=outbox,
        replicas=replicas,
        replica=REPLICA,
        reannounce_limit=1,
        clock=clock,
    )


def land(chunk: ChunkRecord, *, clock: SettableClock) -> ChunkRecord:
    return landed(chunk, evidence={"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}, at=clock.now)


class TestFailure:
    def test_failure_below_the_limit_is_not_final(
        self, service: UploadService, outbox: Outbox, create: Callable[..., UploadRecord]
    ) -> None:
        upload_id = create(chunks=1).upload_id
        outbox.run_pass()
        assert service.change_chunk_state(upload_id, 1, NIFI_FAILURE, actor=ACTOR).error == "NiFi refused it"
        status = service.status(upload_id, EVERYBODY)
        assert (status.state, status.final) == (UploadState.FAILED, False)

    def test_failure_after_the_limit_is_final_and_has_instructions(
        self,
        service: UploadService,
        outbox: Outbox,
        store: Store,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload_id = create(chunks=1).upload_id
        outbox.run_pass()
        store.chunks.edit(upload_id, None, partial(renewed, by_hand=False), at=clock.now)
        outbox.run_pass()
        error = service.change_chunk_state(upload_id, 1, NIFI_FAILURE, actor=ACTOR).error
        assert error == (
            "NiFi refused it; announced 2 times, with no automatic retry left: look at Airflow and NiFi, "
            "then POST /uploads/{id}/announce"
        )
        status = service.status(upload_id, EVERYBODY)
        assert (status.state, status.final) == (UploadState.FAILED, True)
        assert status.error is not None
        assert status.error.endswith(error)
        assert not service.announce_again(upload_id, actor=ACTOR).final

    def test_failure_is_ignored_while_the_chunk_waits_for_another_announcement(
        self,
        service: UploadService,
        outbox: Outbox,
        kafka: FakePublisher,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload_id = create(chunks=1).upload_id
        outbox.run_pass()
        service.announce_again(upload_id, actor=ACTOR)
        assert service.change_chunk_state(upload_id, 1, NIFI_FAILURE, actor=ACTOR).state is ChunkState.STORED
        outbox.run_pass()
        assert kafka.announced == [(upload_id, 1)] * 2

    def test_failure_of_an_earlier_message_is_ignored_and_of_the_last_one_counts(
        self,
        service: UploadService,
        outbox: Outbox,
        store: Store,
        kafka: FakePublisher,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        """The four tries of a DAG run take longer than the pause before the next announcement, the start of another."""
        # The commit is later than the message's published_at.
        kafka.before_publish = lambda: clock.advance(seconds=9, microseconds=1)
        upload_id = create(chunks=1).upload_id
        outbox.run_pass()
        clock.advance(minutes=31)
        store.chunks.edit(upload_id, None, partial(renewed, by_hand=False), at=clock.now)
        outbox.run_pass()
        service.change_chunk_state(upload_id, 1, StateChange(state=ChunkState.RELAYED), actor=ACTOR)
        before = service.status(upload_id, EVERYBODY)
        first, last = (
            NIFI_FAILURE.model_copy(update={"published_at": message.published_at}) for message in kafka.messages
        )
        assert service.change_chunk_state(upload_id, 1, first, actor=ACTOR).state is ChunkState.RELAYED
        assert service.status(upload_id, EVERYBODY) == before
        assert service.change_chunk_state(upload_id, 1, last, actor=ACTOR).state is ChunkState.FAILED
        assert service.status(upload_id, EVERYBODY).final


class TestAnnounceAgain:
    @pytest.mark.parametrize("is_cleaned", [False, True])
    def test_landed_upload_sends_one_message_and_keeps_its_state(
        self,
        service: UploadService,
        outbox: Outbox,
        store: Store,
        kafka: FakePublisher,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
        is_cleaned: bool,
    ) -> None:
        upload_id = create().upload_id
        outbox.run_pass()
        store.chunks.edit(upload_id, None, partial(land, clock=clock), at=clock.now)
        if is_cleaned:
            store.chunks.edit(upload_id, None, partial(cleaned, at=clock.now), at=clock.now)
        before = service.status(upload_id, EVERYBODY)
        assert before.final
        clock.advance(hours=1)
        assert service.announce_again(upload_id, actor=ACTOR) == before == service.status(upload_id, EVERYBODY)
        assert kafka.announced[3:] == [(upload_id, 1)]
        first, again = kafka.messages[0], kafka.messages[3]
        assert again == first.model_copy(update={"published_at": clock.now, "api_endpoint": again.api_endpoint})
        assert again.api_endpoint != first.api_endpoint, "its address is valid for as long again"

    def test_landed_upload_without_kafka_is_an_error_as_nothing_would_retry(
        self,
        service: UploadService,
        store: Store,
        kafka: FakePublisher,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload_id = create().upload_id
        store.chunks.edit(upload_id, None, partial(land, clock=clock), at=clock.now)
        kafka.away = True
        with pytest.raises(PublishError, match="try again"):
            service.announce_again(upload_id, actor=ACTOR)

    def test_upload_with_a_lost_file_is_final_when_the_rest_has_landed(
        self,
        service: UploadService,
        outbox: Outbox,
        store: Store,
        files: ChunkFiles,
        clock: SettableClock,
        create: Callable[..., UploadRecord],
    ) -> None:
        upload_id = create(chunks=2).upload_id
        outbox.run_pass()
        store.chunks.edit(upload_id, [1], partial(land, clock=clock), at=clock.now)
        files.path(store.chunks.read_one(upload_id, 2)[1]).unlink()
        status = service.announce_again(upload_id, actor=ACTOR)
        assert (status.state, status.final) == (UploadState.FAILED, True)
