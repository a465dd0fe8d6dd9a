from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from rich.console import Console

from contracts.errors import CsvPipeError, SettingsError, SourceChangedError, TemporaryFailureError
from csvpipe.client import UploaderClient
from csvpipe.errors import CommandError, NotLandedError, PermissionMissingError, RefusedError, UnavailableError
from csvpipe.landing import follow, wait_until_landed
from tests.support.uploader.fake_uploader import UPLOAD_ID, FakeUploader, run_fake_uploader, status_document

URL = "http://csv.example.com"
CONTENT = b'a,b\r\n1,"x\r\ny"\r\n'


@pytest.fixture
def fake() -> Iterator[FakeUploader]:
    with run_fake_uploader() as fake:
        yield fake


def send(fake: FakeUploader, content: bytes, **options: Any) -> Any:
    given = {"filename": "x.csv", "size_bytes": len(content), "fields": {"dataset_name": "flights"}, **options}
    with UploaderClient(fake.url) as client:
        return client.upload(file=io.BytesIO(content), **given)


def test_fields_come_before_the_file_and_the_length_is_exact(fake: FakeUploader) -> None:
    fake.accept(CONTENT)
    sent: list[int] = []

    accepted = send(fake, CONTENT, idempotency_key="k1", on_sent=sent.append)

    assert accepted.total_chunks == 1
    assert fake.request_headers["Content-Length"]
    assert fake.request_headers["Idempotency-Key"] == "k1"
    assert [data for _, data in fake.parts] == [b"flights", CONTENT]
    assert fake.parts[1][0].startswith('form-data; name="file"; filename="x.csv"')
    assert sum(sent) == len(CONTENT)


def test_file_name_cannot_break_out_of_its_header(fake: FakeUploader) -> None:
    fake.accept(CONTENT)
    send(fake, CONTENT, filename='a"; name="dataset_name\r\nX: y.csv')
    assert len(fake.parts) == 2
    assert 'filename="a%22; name=%22dataset_name%0D%0AX: y.csv"' in fake.parts[1][0]


def test_pipe_of_unknown_length_is_sent_in_chunks(fake: FakeUploader) -> None:
    fake.accept(CONTENT)
    send(fake, CONTENT, size_bytes=None)
    assert "Content-Length" not in fake.request_headers
    assert fake.parts[1][1] == CONTENT


def test_other_bytes_at_the_uploader_than_were_sent_are_an_error(fake: FakeUploader) -> None:
    fake.accept(b"something else")
    with pytest.raises(CommandError, match="received other bytes"):
        send(fake, CONTENT)


@pytest.mark.parametrize("said_bytes", [len(CONTENT) + 1, len(CONTENT) - 1])
def test_file_that_changes_while_it_is_sent_is_given_up(fake: FakeUploader, said_bytes: int) -> None:
    with pytest.raises(SourceChangedError, match="now gives"):
        send(fake, CONTENT, size_bytes=said_bytes)


def test_refusal_shows_reason_place_and_code(fake: FakeUploader) -> None:
    fake.status = 400
    fake.answer = {
        "type": "about:blank",
        "title": "Invalid CSV",
        "status": 400,
        "code": "invalid_csv",
        "detail": "row 7, byte 120: expected 3 fields, found 2 fields",
        "row": 7,
        "byte": 120,
    }
    with pytest.raises(RefusedError) as caught:
        send(fake, CONTENT)
    assert caught.value.detail == "Invalid CSV: row 7, byte 120: expected 3 fields, found 2 fields"
    assert caught.value.extra == {"problem": "invalid_csv", "row": 7, "byte": 120}


def test_refusal_before_the_end_of_the_body_stops_the_sending(fake: FakeUploader) -> None:
    fake.status, fake.early = 413, True
    fake.answer = {"title": "File too large", "detail": "at most 10 MB are taken", "code": "file_too_large"}
    content = b"a,b\n" + b"1,2\n" * (16 * 1024 * 1024)
    sent: list[int] = []
    with pytest.raises(RefusedError, match="File too large: at most 10 MB are taken"):
        send(fake, content, on_sent=sent.append)
    assert sum(sent) < len(content)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 507])
def test_busy_uploader_names_the_retry_time(fake: FakeUploader, status: int) -> None:
    fake.status, fake.answer, fake.headers = (
        status,
        {"title": "Busy", "detail": "too many uploads"},
        {"Retry-After": "7"},
    )
    with pytest.raises(TemporaryFailureError, match=r"too many uploads\. Try again in 7 s"):
        send(fake, CONTENT)


def test_response_of_another_service_is_reported_as_such(fake: FakeUploader) -> None:
    fake.answer = {"hello": "world"}
    with pytest.raises(CommandError, match="Is CSVPIPE_URL an uploader's"):
        send(fake, CONTENT)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe{", b"[" * 100_000, b"[1]"], ids=["cut", "not text", "deep", "list"])
def test_refusal_without_a_problem_document_is_reported(body: bytes) -> None:
    answer = httpx.Response(403, content=body, headers={"Content-Type": "application/problem+json"})
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: answer))
    with client, pytest.raises(PermissionMissingError, match="Forbidden"):
        client.status(UPLOAD_ID)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
def test_member_of_a_problem_cannot_replace_a_parameter_of_the_error(status: int) -> None:
    problem = {"title": "No", "detail": "why", "row": 7, "self": 1, "wait_s": 1, "key_origin": 1, "a-b": 1}
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: httpx.Response(status, json=problem)))
    with client, pytest.raises(CsvPipeError, match="No: why") as caught:
        client.status(UPLOAD_ID)
    assert caught.value.extra["row"] == 7
    assert getattr(caught.value, "wait_s", None) is None


@pytest.mark.parametrize("address", ["http://mary:sesame@csv.example.com", "https://sesame@csv.example.com/x"])
def test_address_with_a_password_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SettingsError, match="CSVPIPE_URL") as caught:
        UploaderClient(address)
    assert "sesame" not in caught.value.detail


@pytest.mark.parametrize("address", ["http://", "http://[::1", "http://h:x", "http://h:99999", "http://a\\@b", "//h"])
def test_malformed_address_names_the_setting(address: str) -> None:
    with pytest.raises(SettingsError, match="CSVPIPE_URL"):
        UploaderClient(address)


def test_refused_connection_names_the_setting() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with UploaderClient(url) as client, pytest.raises(UnavailableError, match="CSVPIPE_URL"):
            client.status(UPLOAD_ID)


def test_waiting_ends_when_every_chunk_has_landed(fake: FakeUploader) -> None:
    fake.statuses = [
        status_document("announced", announced=2),
        status_document("landing", relayed=1, landed=1),
        status_document("landed", landed=1, cleaned=1),
    ]
    seen: list[int] = []
    with UploaderClient(fake.url) as client:
        status = follow(
            client, UPLOAD_ID, timeout_s=30, interval_s=0, on_status=lambda status: seen.append(status.landed_chunks)
        )
    assert seen == [0, 1, 2]
    assert status.final


def test_waiting_survives_an_unavailable_uploader(fake: FakeUploader) -> None:
    fake.lost, fake.statuses = 2, [status_document("landed", landed=1)]
    lost: list[str] = []
    with UploaderClient(fake.url) as client:
        status = follow(
            client, UPLOAD_ID, timeout_s=30, interval_s=0, on_no_answer=lambda error: lost.append(error.code)
        )
    assert status.final
    assert lost == ["response_lost"] * 2


def test_waiting_outlives_an_uploader_that_is_busy(fake: FakeUploader) -> None:
    fake.status, fake.statuses = 503, [status_document("landed", landed=1)]

    def recover(_: CsvPipeError) -> None:
        fake.status = 202

    with UploaderClient(fake.url) as client:
        assert follow(client, UPLOAD_ID, timeout_s=30, interval_s=0, on_no_answer=recover).final


def test_uploader_unavailable_until_the_deadline_is_reported(fake: FakeUploader) -> None:
    fake.lost = 100
    with UploaderClient(fake.url) as client, pytest.raises(UnavailableError, match="no answer"):
        follow(client, UPLOAD_ID, timeout_s=0)


def test_waiting_for_a_failed_chunk_names_it(fake: FakeUploader) -> None:
    fake.statuses = [status_document("failed", landed=1, failed=1)]
    with UploaderClient(fake.url) as client, pytest.raises(NotLandedError, match=r"chunk 2 .* not there after 600 s"):
        wait_until_landed(client, UPLOAD_ID, timeout_s=30, console=Console(file=io.StringIO()))


def test_waiting_continues_while_failed_chunks_will_be_announced_again(fake: FakeUploader) -> None:
    failed_for_now = status_document("failed", landed=1, failed=1) | {"final": False}
    fake.statuses = [failed_for_now, status_document("landed", landed=2)]
    with UploaderClient(fake.url) as client:
        assert follow(client, UPLOAD_ID, timeout_s=30, interval_s=0).final
        fake.statuses = [failed_for_now]
        with pytest.raises(TemporaryFailureError, match=r"1 landed, 1 failed.*will be announced again"):
            follow(client, UPLOAD_ID, timeout_s=0)


def test_timeout_of_the_wait_reports_that_the_upload_continues(fake: FakeUploader) -> None:
    fake.statuses = [status_document("landing", relayed=1, landed=1)]
    with UploaderClient(fake.url) as client, pytest.raises(TemporaryFailureError, match="1 of 2 chunks have landed"):
        follow(client, UPLOAD_ID, timeout_s=0)
