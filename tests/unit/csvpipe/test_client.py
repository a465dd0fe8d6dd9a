from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import httpx
import pytest
from rich.console import Console

from contracts.errors import CsvPipeError, SettingsError, TemporaryFailureError
from csvpipe.client import UploaderClient
from csvpipe.errors import CommandError, NotLandedError, PermissionMissingError, RefusedError, UnavailableError
from csvpipe.landing import follow, wait_until_landed
from tests.support.uploader.fake_uploader import UPLOAD_ID, FakeUploader, run_fake_uploader, status_document

URL = "http://csv.example.com"


@pytest.fixture
def fake() -> Iterator[FakeUploader]:
    with run_fake_uploader() as fake:
        yield fake


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 507])
def test_busy_uploader_names_the_retry_time(status: int) -> None:
    answer = httpx.Response(status, json={"title": "Busy", "detail": "too many uploads"}, headers={"Retry-After": "7"})
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: answer))
    with client, pytest.raises(TemporaryFailureError, match=r"too many uploads\. Try again in 7 s"):
        client.status(UPLOAD_ID)


def test_response_of_another_service_is_reported_as_such() -> None:
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"hello": "world"})))
    with client, pytest.raises(CommandError, match=r"first upload_id\. Is CSVPIPE_URL"):
        client.status(UPLOAD_ID)


def test_response_that_is_no_document_is_reported_as_such() -> None:
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: httpx.Response(200, text="<html>")))
    with client, pytest.raises(CommandError, match="it is not JSON"):
        client.status(UPLOAD_ID)


def test_advice_of_a_refusal_names_options() -> None:
    hint = "send the file's encoding=... before the file; without it, bytes are not checked"
    problem = {
        "code": "invalid_csv",
        "title": "Invalid CSV",
        "detail": f"row 7: found other bytes ({hint})",
        "hint": hint,
    }
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: httpx.Response(400, json=problem)))
    with client, pytest.raises(RefusedError, match="encoding with --encoding; without it") as caught:
        client.status(UPLOAD_ID)
    assert caught.value.extra["hint"] == "name the file's encoding with --encoding; without it, bytes are not checked"


def test_refusal_that_repeats_an_earlier_one_is_that_one() -> None:
    earlier = {"code": "invalid_csv", "title": "Invalid CSV", "detail": "row 7: 2 fields", "row": 7}
    problem = {"code": "resumable_upload_refused", "title": "Refused", "detail": "before", "problem": earlier}
    client = UploaderClient(URL, transport=httpx.MockTransport(lambda _: httpx.Response(410, json=problem)))
    with client, pytest.raises(RefusedError, match="Invalid CSV: row 7: 2 fields") as caught:
        client.status(UPLOAD_ID)
    assert caught.value.extra == {"problem": "invalid_csv", "row": 7}


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
