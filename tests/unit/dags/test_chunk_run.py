from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage
from contracts.states import ChunkState
from dags.modules.allowed_hosts import parse_allowed_hosts
from dags.modules.chunk_run import (
    NOT_IN_MANIFEST,
    ChunkRun,
    find_missing,
    find_unsent,
    keep_verified,
    open_uploader,
    parse_run,
    publish_if_landed,
    relay,
    skip_if_deleted,
)
from dags.modules.errors import NiFiNotReadyError
from dags.modules.landing_monitor import LandingMonitor
from dags.modules.nifi_api_client import NiFiClient
from dags.modules.object_store import ExpectedChunk, ObjectStore
from dags.modules.run_request import pack_messages
from tests.support.dags.fake_nifi import FakeNiFi
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.signatures import FAKE_SIGNATURE

UPLOAD = "f" * 32
MANIFEST_KEY = f"flights/_manifests/{UPLOAD}.json"


def run_of(fake: FakeUploader, messages: list[ChunkMessage]) -> ChunkRun:
    return parse_run(pack_messages(messages), allowed=parse_allowed_hosts(fake.url), bucket="raw")


def land(store: ObjectStore, fake: FakeUploader, message: ChunkMessage) -> None:
    content = fake.contents[message.upload_id, message.chunk_id]
    metadata = {"sha256": message.sha256}
    store._client.put_object(Bucket="raw", Key=ExpectedChunk.of(message).key, Body=content, Metadata=metadata)


def nifi_client(fake: FakeNiFi) -> NiFiClient:
    return NiFiClient(api_url=f"{fake.url}/nifi-api", listen_url=fake.listen_url)


def monitor_of(store: ObjectStore, run: ChunkRun) -> LandingMonitor:
    return LandingMonitor(store=store, uploader=open_uploader(run), chunks=run.expected)


def test_conf_of_a_run_started_by_hand_is_checked_against_the_allow_list(fake_uploader: FakeUploader) -> None:
    conf = pack_messages(fake_uploader.add_upload(UPLOAD))
    with pytest.raises(InvalidMessageError, match="api_endpoint"):
        parse_run(conf, allowed=parse_allowed_hosts("https://elsewhere:1"), bucket="raw")


def test_only_missing_chunks_are_sent_and_reported(
    fake_uploader: FakeUploader, fake_nifi: FakeNiFi, moto_store: ObjectStore
) -> None:
    messages = fake_uploader.add_upload(UPLOAD, chunks=3)
    run = run_of(fake_uploader, messages)
    land(moto_store, fake_uploader, messages[1])
    missing = find_missing(run, moto_store)
    assert missing == [1, 3]
    relay(run, missing, nifi=nifi_client(fake_nifi), uploader=open_uploader(run))
    assert fake_nifi.received == [messages[0], messages[2]]
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.RELAYED, ChunkState.ANNOUNCED, ChunkState.RELAYED]


def test_no_missing_chunks_do_not_call_nifi(fake_uploader: FakeUploader, fake_nifi: FakeNiFi) -> None:
    run = run_of(fake_uploader, fake_uploader.add_upload(UPLOAD))
    fake_nifi.counts["invalidCount"] = 1
    relay(run, [], nifi=nifi_client(fake_nifi), uploader=open_uploader(run))
    assert fake_nifi.requests == []


def test_no_message_is_sent_to_a_group_that_is_not_ready(fake_uploader: FakeUploader, fake_nifi: FakeNiFi) -> None:
    run = run_of(fake_uploader, fake_uploader.add_upload(UPLOAD))
    fake_nifi.counts["stoppedCount"] = 1
    with pytest.raises(NiFiNotReadyError):
        relay(run, [1], nifi=nifi_client(fake_nifi), uploader=open_uploader(run))
    assert fake_nifi.received == []
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.ANNOUNCED]


@pytest.mark.parametrize(
    "forgery",
    [
        {"sha256": "0" * 64},
        {"size_bytes": 7},
        {"filename": "flights_chunk_001_0.csv", "file_path": "s3://raw/flights/flights_chunk_001_0.csv"},
        {"row_start": 2, "row_end": 3},
    ],
)
def test_only_messages_that_contradict_the_manifest_are_refused(
    fake_uploader: FakeUploader, caplog: pytest.LogCaptureFixture, forgery: dict[str, object]
) -> None:
    real = fake_uploader.add_upload(UPLOAD, chunks=2)
    forged = real[0].model_copy(update=forgery)
    run = run_of(fake_uploader, [real[0], forged, real[1]])
    assert keep_verified(run, open_uploader(run)).messages == real
    (refused,) = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert (refused["chunk_id"], refused["path"]) == (1, forged.filename)
    assert refused["error"].startswith(next(iter(forgery)))
    alone = run_of(fake_uploader, [forged])
    with pytest.raises(InvalidMessageError, match=UPLOAD):
        keep_verified(alone, open_uploader(alone))


FORGERIES: dict[str, object] = {
    "upload_id": "e" * 32,
    "dataset_name": "others",
    "chunk_id": 9,
    "total_chunks": 7,
    "filename": "flights_chunk_001_0.csv",
    "chunk_size_mb": 5.0,
    "row_count": 5,
    "row_start": 5,
    "row_end": 5,
    "file_path": "s3://raw/flights/index.html",
    "headers": ["a", "evil"],
    "header_count": 7,
    "source_system": "other",
    "version": "2.0",
    "size_bytes": 7,
    "sha256": "0" * 64,
    "byte_start": 7,
    "byte_end": 7,
    "content_type": "text/html",
    "encoding": "latin-1",
}


def test_every_message_field_is_compared() -> None:
    assert FORGERIES.keys() | NOT_IN_MANIFEST == ChunkMessage.model_fields.keys()


@pytest.mark.parametrize("field", FORGERIES)
def test_message_with_one_forged_field_is_refused(
    fake_uploader: FakeUploader, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    real = fake_uploader.add_upload(UPLOAD, chunks=2)
    forged = real[0].model_copy(update={field: FORGERIES[field]})
    run = ChunkRun(upload_id=UPLOAD, base_url=fake_uploader.url, messages=[forged, real[1]])
    assert keep_verified(run, open_uploader(run)).messages == [real[1]]
    assert "refused" in caplog.text


@pytest.mark.parametrize("moved_chunk", [1, 2])
def test_uploader_address_is_that_of_the_newest_message(fake_uploader: FakeUploader, moved_chunk: int) -> None:
    messages = fake_uploader.add_upload(UPLOAD, chunks=2)
    before = [
        message.model_copy(
            update={"api_endpoint": f"http://gone:1/chunks/{UPLOAD}/{message.chunk_id}/download/{FAKE_SIGNATURE}"}
        )
        for message in messages
    ]
    again = messages[moved_chunk - 1]
    again = again.model_copy(update={"published_at": again.published_at + timedelta(minutes=30)})
    allowed = parse_allowed_hosts(f"{fake_uploader.url},http://gone:1")
    run = parse_run(pack_messages([*before, again]), allowed=allowed, bucket="raw")
    assert run.base_url == fake_uploader.url
    assert keep_verified(run, open_uploader(run)).messages == [
        again if message.chunk_id == moved_chunk else message for message in before
    ]


def test_chunk_announced_twice_is_relayed_once(
    fake_uploader: FakeUploader, fake_nifi: FakeNiFi, moto_store: ObjectStore
) -> None:
    """A run that was started by hand can hold a chunk twice."""
    (message,) = fake_uploader.add_upload(UPLOAD)
    again = message.model_copy(update={"published_at": message.published_at + timedelta(minutes=30)})
    run = run_of(fake_uploader, [again, message])
    uploader = open_uploader(run)
    run = keep_verified(run, uploader)
    relay(run, find_missing(run, moto_store), nifi=nifi_client(fake_nifi), uploader=uploader)
    assert fake_nifi.received == [again]


def test_chunk_of_another_dataset_is_refused(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD)
    elsewhere = FakeUploader()
    elsewhere.close()
    fields = {"api_endpoint": f"{fake_uploader.url}/chunks/{UPLOAD}/%d/download/{FAKE_SIGNATURE}"}
    for number, dataset in ((1, "others"), (2, "flights")):
        forged = elsewhere.add_upload(UPLOAD, dataset=dataset, chunks=2)[number - 1]
        forged = forged.model_copy(update={"api_endpoint": fields["api_endpoint"] % number})
        run = run_of(fake_uploader, [forged])
        with pytest.raises(InvalidMessageError, match="no message of the run"):
            keep_verified(run, open_uploader(run))
        elsewhere.messages.clear()


def test_two_messages_of_a_chunk_expect_one_object(fake_uploader: FakeUploader) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    run = run_of(fake_uploader, [message, message.model_copy(update={"encoding": "latin-1"})])
    assert run.expected == [ExpectedChunk.of(message)]


def test_retry_omits_chunks_relayed_by_this_run(
    fake_uploader: FakeUploader, fake_nifi: FakeNiFi, moto_store: ObjectStore
) -> None:
    messages = fake_uploader.add_upload(UPLOAD, chunks=4)
    run = run_of(fake_uploader, messages)
    client = open_uploader(run)
    relay(run, [1], nifi=nifi_client(fake_nifi), uploader=client)
    started_at = datetime.now(UTC)
    relay(run, [2, 3], nifi=nifi_client(fake_nifi), uploader=client)
    land(moto_store, fake_uploader, messages[2])
    # 1 was relayed by an earlier run, 2 by an earlier attempt of this run, 3 has landed, 4 was never sent.
    assert find_unsent(run, moto_store, client, since=started_at) == [1, 4]


def test_task_of_a_deleted_upload_is_skipped(fake_uploader: FakeUploader) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    run = run_of(fake_uploader, fake_uploader.add_upload(UPLOAD))
    fake_uploader.aborted.add(UPLOAD)
    with pytest.raises(AirflowSkipException, match="was deleted"), skip_if_deleted(UPLOAD):
        keep_verified(run, open_uploader(run))


def test_last_of_two_runs_publishes_the_manifest(fake_uploader: FakeUploader, moto_store: ObjectStore) -> None:
    messages = fake_uploader.add_upload(UPLOAD, chunks=2)
    first, last = run_of(fake_uploader, messages[:1]), run_of(fake_uploader, messages[1:])
    published = []
    for run, message in ((first, messages[0]), (last, messages[1])):
        land(moto_store, fake_uploader, message)
        assert monitor_of(moto_store, run).check() == 1
        published.append(publish_if_landed(open_uploader(run), moto_store))
    assert published == [None, MANIFEST_KEY]


def test_concurrent_runs_publish_the_same_manifest(fake_uploader: FakeUploader, moto_store: ObjectStore) -> None:
    messages = fake_uploader.add_upload(UPLOAD, chunks=2)
    runs = [run_of(fake_uploader, [message]) for message in messages]
    for run, message in zip(runs, messages, strict=True):
        land(moto_store, fake_uploader, message)
        monitor_of(moto_store, run).check()
    tags = set()
    for run in runs:
        assert publish_if_landed(open_uploader(run), moto_store) == MANIFEST_KEY
        tags.add(moto_store._client.head_object(Bucket="raw", Key=MANIFEST_KEY)["ETag"])
    assert len(tags) == 1
