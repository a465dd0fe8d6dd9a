"""The limits of keys over HTTP: decided on the head, and told to the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.http_bodies import body_of
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.passing_time import pass_time
from tests.support.uploader.raw_http import Connection, connected, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.access.key_text import KeyText

ADMIN = KeyText.generate().text
PER_MINUTE = 3
POLICY = '"uploads";q=3;w=60, "uploads-at-once";q=2;qu="concurrent-requests"'
SOURCE = ("people.csv", b"id\n1\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(
        tmp_path_factory.mktemp("chunks"),
        access="keys",
        admin_key=ADMIN,
        uploads_per_minute=PER_MINUTE,
        uploads_at_once_per_key=2,
    ) as running:
        yield running


def new_key(server: RunningUploader, **limits: int) -> dict[str, str]:
    """Create a key that may upload, and return the header that carries it."""
    wanted = {"name": "uploads", "permissions": ["upload"], "datasets": ["*"], **limits}
    answer = httpx.post(f"{server.base_url}/keys", json=wanted, headers=bearer(ADMIN))
    return bearer(answer.raise_for_status().json()["key"])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def raw(headers: dict[str, str]) -> bytes:
    [(name, value)] = headers.items()
    return f"{name}: {value}".encode()


def post(server: RunningUploader, key: dict[str, str], **given: Any) -> httpx.Response:
    request: dict[str, Any] = {"files": {"file": SOURCE}, "params": {"dataset_name": "people"}, **given}
    return httpx.post(f"{server.base_url}/upload/csv", headers={**key, **request.pop("headers", {})}, **request)


def begin(connection: Connection, server: RunningUploader, key: dict[str, str]) -> bytes:
    """Send half of an upload, wait until it runs, and return the other half."""
    body, known = body_of(), server.files()
    connection.send(upload_head(body, raw(key)) + body[:200])
    wait_until(lambda: server.files() != known, what="the upload runs", deadline_s=20, poll_s=0.01)
    return body[200:]


def test_upload_above_the_rate_is_refused_and_says_when_to_come_again(server: RunningUploader) -> None:
    key = new_key(server)
    answers = [post(server, key) for _ in range(PER_MINUTE)]
    assert [answer.status_code for answer in answers] == [202] * PER_MINUTE
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {POLICY}
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        f'"uploads";r={left}' for left in (2, 1, 0)
    ]
    refused = post(server, key)
    problem = assert_problem(refused, 429, "upload_rate_exceeded")
    wait_s = problem["retry_after_s"]
    assert 1 <= wait_s <= 60 / PER_MINUTE
    assert refused.headers["retry-after"] == str(wait_s)
    assert refused.headers["ratelimit"] == f'"uploads";r=0;t={wait_s}, "uploads-at-once";r=2'
    assert refused.headers["connection"] == "close"
    pass_time(server.runtime.settings.store_url, seconds=wait_s)
    assert post(server, key).status_code == 202


def test_refused_client_is_never_asked_for_its_body(server: RunningUploader) -> None:
    key = new_key(server, uploads_per_minute=1)
    assert post(server, key).status_code == 202
    with connected(server.port) as client:
        client.send(upload_head(body_of(), raw(key), b"Expect: 100-continue"))
        assert client.next_of_all().status == 429
        assert client.is_closed()


def test_upload_refused_for_its_head_uses_no_unit(server: RunningUploader) -> None:
    key = new_key(server, max_file_size_mb=1)
    for _ in range(2 * PER_MINUTE):
        assert_problem(post(server, key, files=None, content=b"id\n"), 415, "unsupported_media_type")
        assert_problem(post(server, key, params={"dataset": "people"}), 422, "invalid_field")
        assert_problem(post(server, key, headers={"Idempotency-Key": "with a space"}), 422, "invalid_field")
    assert [post(server, key).status_code for _ in range(PER_MINUTE + 1)] == [202] * PER_MINUTE + [429]


def test_upload_above_the_number_at_once_is_refused_until_another_ends(server: RunningUploader) -> None:
    key = new_key(server, concurrent_uploads=1, uploads_per_minute=0)
    with connected(server.port) as slow:
        rest = begin(slow, server, key)
        refused = post(server, key)
        assert_problem(refused, 429, "too_many_uploads_of_key")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["ratelimit"] == '"uploads-at-once";r=0'
        assert post(server, new_key(server)).status_code == 202
        slow.send(rest)
        assert slow.next().status == 202
    assert post(server, key).status_code == 202


def test_slot_of_a_client_that_goes_away_is_free_again(server: RunningUploader) -> None:
    key = new_key(server, concurrent_uploads=1, uploads_per_minute=0)
    with connected(server.port) as slow:
        begin(slow, server, key)
    wait_until(lambda: post(server, key).status_code == 202, what="the slot is free", deadline_s=20, poll_s=0.05)


def test_size_limit_of_a_key_replaces_that_of_the_settings(server: RunningUploader) -> None:
    key = new_key(server, max_file_size_mb=1, uploads_per_minute=0)
    large = b"id\n" + b"1\n" * BYTES_PER_MB
    with connected(server.port) as client:
        client.send(upload_head(large, raw(key), b"Expect: 100-continue"))
        refused = client.next_of_all()
        assert (refused.status, refused.problem["max_file_size_bytes"]) == (413, BYTES_PER_MB)
    with connected(server.port) as client:
        client.send(upload(body_of(large), raw(key), chunked=True))
        assert client.next().problem["code"] == "file_too_large"
    assert post(server, new_key(server), files={"file": ("people.csv", large)}).status_code == 202


def test_uploads_without_a_key_have_no_limits(tmp_path: Path) -> None:
    with running_uploader(tmp_path, access="open", uploads_per_minute=1, uploads_at_once_per_key=1) as server:
        answers = [post(server, {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert not any("ratelimit" in answer.headers for answer in answers)


def test_refusals_are_counted_by_reason(server: RunningUploader) -> None:
    key = new_key(server, uploads_per_minute=1)
    assert [post(server, key).status_code for _ in range(2)] == [202, 429]
    page = httpx.get(f"{server.base_url}/metrics").text
    [line] = [line for line in page.splitlines() if line.startswith('csvpipe_refused_requests_total{reason="upload_ra')]
    assert float(line.split()[-1]) >= 1
