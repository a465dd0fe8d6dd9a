"""Lookup of unknown uploads, with one request per batch. No answer never means unknown."""

from __future__ import annotations

import json

import pytest

from contracts.message import ChunkMessage
from dags.modules.known_uploads import MAX_UPLOADERS, UploadAt, find_unknown
from stack.ports import free_ports
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.signatures import FAKE_SIGNATURE

KNOWN, STRANGE = "a" * 32, "b" * 32


@pytest.fixture
def message(fake_uploader: FakeUploader) -> ChunkMessage:
    (message,) = fake_uploader.add_upload(KNOWN)
    return message


def of(message: ChunkMessage, upload_id: str, *, address: str) -> ChunkMessage:
    endpoint = f"{address}/chunks/{upload_id}/1/download/{FAKE_SIGNATURE}"
    return message.model_copy(update={"upload_id": upload_id, "api_endpoint": endpoint})


def at(uploader: FakeUploader, *upload_ids: str) -> set[UploadAt]:
    return {UploadAt(uploader.url, upload_id) for upload_id in upload_ids}


class OddUploader(FakeServer):
    """Answers every question in the same odd way."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.odd = answer

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self.odd


def test_upload_without_an_uploader_is_unknown(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    assert find_unknown([message, of(message, STRANGE, address=fake_uploader.url)]) == at(fake_uploader, STRANGE)


def test_deleted_upload_is_known(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    fake_uploader.aborted.add(KNOWN)
    assert find_unknown([message]) == set()


def test_batch_needs_one_lookup(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    strangers = [f"{number:032x}" for number in range(499)]
    messages = [of(message, upload_id, address=fake_uploader.url) for upload_id in strangers]
    assert find_unknown([message, *messages, *messages]) == at(fake_uploader, *strangers)
    assert [(method, path) for method, path, _ in fake_uploader.requests] == [("POST", "/uploads/known")]


def test_many_ids_are_looked_up_in_parts(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    strangers = [f"{number:032x}" for number in range(1200)]
    assert find_unknown([of(message, i, address=fake_uploader.url) for i in strangers]) == at(fake_uploader, *strangers)
    assert [len(json.loads(body)["upload_ids"]) for _, _, body in fake_uploader.requests] == [500, 500, 200]


def test_unavailable_uploader_keeps_its_messages(message: ChunkMessage, fake_uploader: FakeUploader) -> None:
    unreachable = f"http://127.0.0.1:{free_ports(1)[0]}"
    other = "c" * 32
    messages = [of(message, STRANGE, address=unreachable), of(message, other, address=fake_uploader.url)]
    assert find_unknown(messages) == at(fake_uploader, other)


@pytest.mark.parametrize(
    "answer", [(404, {}), (500, {}), (200, {}), (200, []), (200, {"known": None}), (200, b"<html>"), (307, {})], ids=str
)
def test_invalid_response_keeps_the_messages(message: ChunkMessage, answer: Answer) -> None:
    with OddUploader(answer).running() as odd:
        assert find_unknown([of(message, STRANGE, address=odd.url)]) == set()


def test_upload_known_at_one_address_is_unknown_at_another(message: ChunkMessage) -> None:
    with FakeUploader().running() as other:
        assert find_unknown([message, of(message, KNOWN, address=other.url)]) == at(other, KNOWN)


def test_number_of_queried_addresses_is_limited(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    bogus = [f"http://127.0.0.1:{port}" for port in free_ports(MAX_UPLOADERS + 4)]
    messages = [of(message, f"{n:032x}", address=address) for n, address in enumerate(bogus)]
    honest = [message, of(message, STRANGE, address=fake_uploader.url)]
    assert find_unknown([*messages, *honest]) == at(fake_uploader, STRANGE), (
        "the address with most messages is asked first"
    )
