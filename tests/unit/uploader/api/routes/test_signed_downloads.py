"""``/chunks/{upload}/{chunk}/download/{signature}``: the address in a message, which needs no key."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contracts.download_address import SIGNED_ADDRESS_PATTERN
from telemetry.logging import TextFormatter
from tests.support.signatures import FAKE_SIGNATURE
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import running_uploader
from tests.support.uploader.uploads import SettableClock, chunk_bytes
from uploader.api.runtime import runtime_of

UNKNOWN = "f" * 32


@pytest.fixture
def path(kafka: FakePublisher, upload: Callable[..., str]) -> str:
    """Return the path in the message of chunk 2."""
    upload_id = upload()
    (address,) = (m.api_endpoint for m in kafka.messages if (m.upload_id, m.chunk_id) == (upload_id, 2))
    assert re.search(SIGNED_ADDRESS_PATTERN, address)
    return urlsplit(address).path


def test_address_of_the_message_gives_the_chunk(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (200, chunk_bytes(2))
    head = client.head(path)
    assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])
    part = client.get(path, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, chunk_bytes(2)[:4])
    assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_wrong_signature_gets_the_same_response_whether_the_chunk_exists_or_not(
    client: httpx.Client, path: str
) -> None:
    unsigned = path.rpartition("/")[0]
    upload_id = path.split("/")[2]
    other_chunk = path.replace("/2/download", "/1/download")
    foreign = [f"{unsigned}/{FAKE_SIGNATURE}", other_chunk, path.replace(upload_id, UNKNOWN)]
    answers = [client.get(each) for each in (*foreign, f"/chunks/{UNKNOWN}/2/download/{FAKE_SIGNATURE}")]
    for answer in answers:
        assert_problem(answer, 403, "invalid_signature")
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert_problem(client.get(f"{unsigned}/v1.x"), 422, "invalid_request")


def test_expired_address_says_how_to_get_a_new_one(client: httpx.Client, path: str, clock: SettableClock) -> None:
    days = 366
    clock.advance(hours=24 * days)
    try:
        assert_problem(client.get(path), 403, "address_expired")
    finally:
        clock.advance(hours=-24 * days)


def test_signature_is_neither_logged_nor_repeated(
    client: httpx.Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    mac = path.rpartition(".")[2]
    with caplog.at_level(logging.DEBUG):
        client.get(path)
        refused = client.get(path.replace("/2/download", "/1/download"))
    assert mac not in refused.text
    assert refused.json()["instance"].endswith(".***")
    lines = {record.name: TextFormatter().format(record) for record in caplog.records}
    assert "/download/v1." in lines["uvicorn.access"]
    assert not [line for line in lines.values() if mac in line]


def test_signed_address_needs_no_key_and_any_other_does(tmp_path: Path) -> None:
    with running_uploader(tmp_path, access="keys", admin_key=f"csvp_adminkey_{'a' * 43}") as uploader:
        signature = runtime_of(uploader.app).signer.sign(UNKNOWN, 1)
        unsigned = f"{uploader.base_url}/chunks/{UNKNOWN}/1/download"
        with httpx.Client(trust_env=False) as client:
            assert_problem(client.get(unsigned), 401, "unauthenticated")
            assert_problem(client.get(f"{unsigned}/{FAKE_SIGNATURE}"), 403, "invalid_signature")
            assert_problem(client.get(f"{unsigned}/{signature}"), 404, "upload_not_found")
