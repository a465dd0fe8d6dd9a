from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage
from dags.modules.allowed_hosts import AllowedHosts, parse_allowed_hosts
from dags.modules.batch import group_records
from dags.modules.known_uploads import UploadAt, find_unknown
from dags.modules.records import Record
from dags.modules.run_request import describe_chunks, pack_messages, unpack_messages
from dags.modules.uploader_access import UploaderAccess
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.signatures import FAKE_SIGNATURE

A, B = "a" * 32, "b" * 32


@pytest.fixture
def allowed(fake_uploader: FakeUploader) -> AllowedHosts:
    return parse_allowed_hosts(fake_uploader.url)


def records_of(messages: list[ChunkMessage], *, partition: int = 0, offset: int = 0) -> list[Record]:
    return [
        Record(topic="t", partition=partition, offset=offset + n, key=m.upload_id.encode(), value=m.to_bytes())
        for n, m in enumerate(messages)
    ]


def test_one_run_for_each_upload_and_partition(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    a, b = fake_uploader.add_upload(A, chunks=3), fake_uploader.add_upload(B, chunks=1)
    records = [*records_of(a[:2], offset=10), *records_of(b, offset=12), *records_of(a[2:], partition=1, offset=7)]
    batch = group_records(records, allowed=allowed, bucket="raw")
    assert [run.run_id.rpartition("-")[0] for run in batch.runs] == [f"{A}-0-10-11", f"{B}-0-12-12", f"{A}-1-7-7"]
    assert batch.offsets == {0: 13, 1: 8}
    assert not batch.rejected


def test_message_cannot_make_the_key_travel_without_tls(fake_uploader: FakeUploader) -> None:
    """Same host and port as on the list, but another scheme: whoever reads the network would have the relay's key."""
    only_tls = parse_allowed_hosts(fake_uploader.url.replace("http://", "https://"))
    ask = partial(find_unknown, access=UploaderAccess(key="csvp_relay"))
    batch = group_records(records_of(fake_uploader.add_upload(A)), allowed=only_tls, bucket="raw", find_unknown=ask)
    assert [rejected.code for rejected in batch.rejected] == [InvalidMessageError.code]
    assert not fake_uploader.requests


def test_batches_with_the_same_first_and_last_chunk_have_different_run_ids(
    fake_uploader: FakeUploader, allowed: AllowedHosts
) -> None:
    one, two, three = fake_uploader.add_upload(A, chunks=3)
    first = group_records(records_of([one, three]), allowed=allowed, bucket="raw")
    again = group_records(records_of([one, two, three], offset=2), allowed=allowed, bucket="raw")
    assert first.runs[0].run_id != again.runs[0].run_id


def test_redelivered_batch_has_the_same_run_ids(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    records = records_of(fake_uploader.add_upload(A, chunks=3), offset=4)
    runs = [group_records(records, allowed=allowed, bucket="raw").runs for _ in range(2)]
    assert runs[0] == runs[1]


def test_messages_of_a_recreated_topic_have_other_run_ids(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    """Offsets start again when a topic is recreated. A run of the old topic must not be mistaken for this one."""
    (message,) = fake_uploader.add_upload(A)
    again = message.model_copy(update={"published_at": message.published_at + timedelta(minutes=30)})
    ids = {
        group_records(records_of([m]), allowed=allowed, bucket="raw").runs[0].run_id for m in (message, message, again)
    }
    assert len(ids) == 2
    assert all(run_id.startswith(f"{A}-0-0-0-") for run_id in ids)


@pytest.mark.parametrize(
    "forgery",
    [
        {"sha256": "0" * 64},
        {"size_bytes": 7},
        {"filename": "flights_chunk_001_0.csv", "file_path": "s3://raw/flights/flights_chunk_001_0.csv"},
    ],
)
@pytest.mark.parametrize("forged_first", [True, False])
def test_forged_message_does_not_replace_the_real_one(
    fake_uploader: FakeUploader, allowed: AllowedHosts, forgery: dict[str, object], forged_first: bool
) -> None:
    (real,) = fake_uploader.add_upload(A)
    forged = real.model_copy(update=forgery)
    batch = group_records(records_of([forged, real] if forged_first else [real, forged]), allowed=allowed, bucket="raw")
    (run,) = batch.runs
    assert real in unpack_messages(run.conf)


def test_invalid_message_does_not_block_others(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    good = records_of(fake_uploader.add_upload(A), offset=6)
    bad = Record(topic="t", partition=0, offset=5, key=None, value=b"\x00")
    last = Record(topic="t", partition=2, offset=9, key=None, value=None)
    batch = group_records([bad, *good, last], allowed=allowed, bucket="raw")
    assert [unpack_messages(run.conf)[0].upload_id for run in batch.runs] == [A]
    assert [(item.record, item.code) for item in batch.rejected] == [
        (bad, "invalid_message"),
        (last, "invalid_message"),
    ]
    assert batch.offsets == {0: 7, 2: 10}


def test_message_of_an_unknown_upload_is_rejected_with_the_reason(
    fake_uploader: FakeUploader, allowed: AllowedHosts
) -> None:
    (known,), (strange,) = fake_uploader.add_upload(A), fake_uploader.add_upload(B)
    asked: list[list[ChunkMessage]] = []

    def ask(messages: list[ChunkMessage]) -> set[UploadAt]:
        asked.append(messages)
        return {UploadAt(fake_uploader.url, B)}

    records = [*records_of([strange, known]), Record(topic="t", partition=0, offset=2, key=None, value=b"x")]
    batch = group_records(records, allowed=allowed, bucket="raw", find_unknown=ask)
    assert asked == [[strange, known]]
    assert [unpack_messages(run.conf) for run in batch.runs] == [[known]]
    assert batch.offsets == {0: 3}
    assert batch.valid_count == 1
    assert {(item.record.offset, item.code) for item in batch.rejected} == {
        (0, "unknown_upload"),
        (2, "invalid_message"),
    }
    (reason,) = [item.reason for item in batch.rejected if item.code == "unknown_upload"]
    assert B in reason
    assert fake_uploader.url in reason


def test_no_lookup_without_valid_messages(allowed: AllowedHosts) -> None:
    def ask(messages: list[ChunkMessage]) -> set[UploadAt]:
        raise AssertionError(messages)

    record = Record(topic="t", partition=0, offset=2, key=None, value=b"x")
    assert group_records([record], allowed=allowed, bucket="raw", find_unknown=ask).valid_count == 0


def test_message_that_crashes_validation_is_rejected_and_does_not_block_others(
    fake_uploader: FakeUploader, allowed: AllowedHosts
) -> None:
    one, two = fake_uploader.add_upload(A, chunks=2)

    def validate(value: bytes, **_: object) -> ChunkMessage:
        message = ChunkMessage.model_validate_json(value)
        if message.chunk_id == 1:
            raise OverflowError("int too large")
        return message

    batch = group_records(records_of([one, two]), allowed=allowed, bucket="raw", validate=validate)
    assert [unpack_messages(run.conf) for run in batch.runs] == [[two]]
    assert [(item.code, item.reason) for item in batch.rejected] == [("unprocessable", "OverflowError: int too large")]
    assert batch.offsets == {0: 2}


def test_duplicate_message_is_dropped(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    messages = fake_uploader.add_upload(A, chunks=2)
    batch = group_records(records_of([*messages, messages[0]]), allowed=allowed, bucket="raw")
    assert batch.runs[0].run_id.startswith(f"{A}-0-0-2-")
    assert [m.chunk_id for m in unpack_messages(batch.runs[0].conf)] == [1, 2]


@pytest.mark.parametrize("newest_first", [True, False])
def test_newest_address_of_a_chunk_is_kept(
    fake_uploader: FakeUploader, allowed: AllowedHosts, newest_first: bool
) -> None:
    """Records are in the order of their arrival, which can differ from the order of the announcements."""
    (old,) = fake_uploader.add_upload(A)
    new = old.model_copy(
        update={
            "api_endpoint": old.api_endpoint.replace("AAAA", "BBBB"),
            "published_at": old.published_at + timedelta(minutes=30),
        }
    )
    records = records_of([new, old] if newest_first else [old, new])
    (run,) = group_records(records, allowed=allowed, bucket="raw").runs
    assert unpack_messages(run.conf) == [new]
    assert "2 rows" in run.note


def newer_at(address: str, message: ChunkMessage) -> ChunkMessage:
    """Return ``message`` as anyone who can write to the topic may repeat it: later, and with another address."""
    endpoint = f"{address}/chunks/{message.upload_id}/{message.chunk_id}/download/{FAKE_SIGNATURE}"
    return message.model_copy(
        update={"api_endpoint": endpoint, "published_at": message.published_at + timedelta(minutes=30)}
    )


def test_address_without_the_upload_does_not_take_its_run(fake_uploader: FakeUploader) -> None:
    """A run that asks an uploader which does not know the upload is skipped: the upload counts as deleted."""
    (message,) = fake_uploader.add_upload(A)
    with FakeUploader().running() as other:
        both = parse_allowed_hosts(f"{fake_uploader.url},{other.url}")
        records = records_of([message, newer_at(other.url, message)])
        batch = group_records(records, allowed=both, bucket="raw", find_unknown=find_unknown)
    assert [unpack_messages(run.conf) for run in batch.runs] == [[message]]
    assert [(item.record.offset, item.code) for item in batch.rejected] == [(1, "unknown_upload")]


def test_address_that_does_not_answer_gets_a_run_of_its_own(fake_uploader: FakeUploader) -> None:
    one, two = fake_uploader.add_upload(A, chunks=2)
    silent = FakeUploader()
    silent.close()
    both = parse_allowed_hosts(f"{fake_uploader.url},{silent.url}")
    records = records_of([one, newer_at(silent.url, one), two])
    batch = group_records(records, allowed=both, bucket="raw", find_unknown=find_unknown)
    assert [unpack_messages(run.conf) for run in batch.runs] == [[one, two], [newer_at(silent.url, one)]]
    assert len({run.run_id for run in batch.runs}) == 2
    assert not batch.rejected


def test_note_names_dataset_chunks_and_upload(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    messages = fake_uploader.add_upload(A, dataset="flights", chunks=5)
    batch = group_records(records_of([messages[0], messages[1], messages[3]]), allowed=allowed, bucket="raw")
    assert batch.runs[0].note == f"Dataset flights, chunks 1-2, 4 of 5: 6 rows, 0.0 MiB. Upload {A}"


def test_conf_round_trip_keeps_messages_and_stores_shared_fields_once(fake_uploader: FakeUploader) -> None:
    messages = fake_uploader.add_upload(A, chunks=40)
    conf = json.loads(json.dumps(pack_messages(messages)))
    assert unpack_messages(conf) == messages
    assert json.dumps(conf).count('"headers"') == 1


def test_conf_keeps_a_shared_field_that_differs(fake_uploader: FakeUploader) -> None:
    one, two = fake_uploader.add_upload(A, chunks=2)
    two = two.model_copy(update={"encoding": "latin-1"})
    assert unpack_messages(pack_messages([one, two])) == [one, two]


@pytest.mark.parametrize("conf", [{}, {"upload_id": A, "common": {}, "chunks": []}, {"common": {}, "chunks": [{}]}])
def test_malformed_conf_is_refused(conf: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError, match="conf"):
        unpack_messages(conf)


def test_conf_with_another_upload_id_is_refused(fake_uploader: FakeUploader) -> None:
    conf = pack_messages(fake_uploader.add_upload(A)) | {"upload_id": B}
    with pytest.raises(InvalidMessageError, match="upload_id"):
        unpack_messages(conf)


@pytest.mark.parametrize(
    ("ids", "text"), [([], ""), ([4], "4"), ([1, 2, 3], "1-3"), ([7, 3, 1, 2], "1-3, 7"), ([1, 3, 5], "1, 3, 5")]
)
def test_chunk_ids_are_formatted_as_ranges(ids: list[int], text: str) -> None:
    assert describe_chunks(ids) == text
