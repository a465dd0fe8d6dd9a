"""Signing in with a browser, and what other sites can do with it, over real connections."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.uploader.access import ADMIN, GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.access.key_text import KeyText

SAME = {"Sec-Fetch-Site": "same-origin"}
OTHER_SITES = ("cross-site", "same-site")
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), **GUARDED, cors_origins="*") as running:
        yield running


@pytest.fixture
def client(uploader: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=uploader.base_url, trust_env=False) as opened:
        yield opened


def cookie(key: str = ADMIN, *, name: str = "csvpipe_session") -> dict[str, str]:
    return {"Cookie": f"{name}={key}"}


def sign_in(client: httpx.Client, key: str, **headers: str) -> httpx.Response:
    return client.post("/session", json={"key": key}, headers=headers)


def name_of_caller(client: httpx.Client, headers: dict[str, str]) -> str | None:
    key = client.get("/session", headers=headers).raise_for_status().json()["key"]
    return None if key is None else str(key["name"])


# Signing in and out


def test_signing_in_sets_a_cookie_that_stands_for_the_key(client: httpx.Client) -> None:
    answer = sign_in(client, f" {ADMIN}\n", **SAME)
    assert answer.status_code == 201
    assert answer.headers["set-cookie"] == f"csvpipe_session={ADMIN}; HttpOnly; SameSite=Strict; Path=/"
    assert answer.json()["key"]["name"] == "admin key"
    assert ADMIN not in answer.text
    assert client.get("/keys", headers=SAME).status_code == 200
    client.cookies.clear()
    assert client.get("/keys", headers=SAME).status_code == 401


def test_signing_out_removes_the_cookie_and_leaves_the_key_valid(client: httpx.Client) -> None:
    sign_in(client, ADMIN, **SAME)
    answer = client.delete("/session", headers=SAME)
    assert answer.status_code == 204
    assert all("Max-Age=0" in value for value in answer.headers.get_list("set-cookie"))
    assert not client.cookies
    assert name_of_caller(client, bearer(ADMIN)) == "admin key"


def test_session_without_a_key_says_that_one_is_needed_and_what_the_limits_are(
    uploader: RunningUploader, client: httpx.Client
) -> None:
    session = client.get("/session").json()
    assert (session["access"], session["key"]) == ("keys", None)
    assert session["limits"]["max_file_size_mb"] == uploader.runtime.settings.max_file_size_mb
    small = create_key(uploader.base_url, "upload", max_file_size_mb=7)
    assert client.get("/session", headers=cookie(small)).json()["limits"]["max_file_size_mb"] == 7


@pytest.mark.parametrize(
    "key", [ADMIN[:-1], "x!", "€\n;", KeyText.generate().text], ids=["cut", "other form", "not latin", "unknown"]
)
def test_wrong_key_is_refused_counted_and_sets_no_cookie(
    uploader: RunningUploader, client: httpx.Client, key: str
) -> None:
    before = refusals(client)
    answer = sign_in(client, key, **SAME)
    assert_problem(answer, 401, "unauthenticated")
    assert "set-cookie" not in answer.headers
    assert key not in answer.text
    assert refusals(client) == before + 1


def test_guess_in_a_cookie_is_counted_although_it_is_no_error(client: httpx.Client) -> None:
    before = refusals(client)
    assert name_of_caller(client, cookie(KeyText.generate().text)) is None
    assert refusals(client) == before + 1
    assert_problem(client.get("/session", headers=bearer(KeyText.generate().text)), 401, "unauthenticated")
    assert refusals(client) == before + 2


def refusals(client: httpx.Client) -> int:
    page = client.get("/metrics").text
    lines = [
        line for line in page.splitlines() if line.startswith("csvpipe_refused_requests_total{") and "unauthent" in line
    ]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def test_key_that_is_revoked_ends_its_sessions(uploader: RunningUploader, client: httpx.Client) -> None:
    key = create_key(uploader.base_url, "read")
    assert client.get("/uploads", headers=cookie(key)).status_code == 200
    httpx.delete(f"{uploader.base_url}/keys/{key.split('_')[1]}", headers=bearer(ADMIN), trust_env=False)
    wait_until(
        lambda: client.get("/uploads", headers=cookie(key)).status_code == 401,
        what="the session of the revoked key ends",
        deadline_s=60,
    )
    assert name_of_caller(client, cookie(key)) is None


# Other sites


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": site} for site in OTHER_SITES] + [{"Origin": EVIL}])
def test_cookie_does_not_count_in_requests_of_other_sites(
    client: httpx.Client, method: str, headers: dict[str, str]
) -> None:
    path = "/keys" if method == "GET" else "/keys/00000000/rotate" if method == "POST" else "/keys/00000000"
    answer = client.request(method, path, headers=cookie() | headers)
    assert_problem(answer, 401, "unauthenticated")
    assert "access-control-allow-credentials" not in answer.headers


def test_method_that_changes_something_needs_the_word_of_the_browser(
    uploader: RunningUploader, client: httpx.Client
) -> None:
    call = ("DELETE", "/keys/00000000")
    assert client.request(*call, headers=cookie()).status_code == 401
    for origin in (
        "null",
        "http://127.0.0.1",
        f"https://127.0.0.1:{uploader.port}",
        f"http://localhost:{uploader.port}",
    ):
        assert client.request(*call, headers=cookie() | {"Origin": origin}).status_code == 401, origin
    assert client.request(*call, headers=cookie() | {"Origin": uploader.base_url}).status_code == 404
    assert client.request(*call, headers=cookie() | SAME).status_code == 404
    assert client.request(*call, headers=cookie() | {"Sec-Fetch-Site": "none"}).status_code == 404
    assert client.request(*call, headers=cookie() | {"Origin": uploader.base_url, **other_site()}).status_code == 401


def other_site() -> dict[str, str]:
    return {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": site} for site in OTHER_SITES] + [{"Origin": EVIL}])
def test_other_site_signs_nobody_in_or_out(client: httpx.Client, headers: dict[str, str]) -> None:
    for answer in (sign_in(client, ADMIN, **headers), client.delete("/session", headers=headers)):
        assert_problem(answer, 403, "cross_origin")
        assert "set-cookie" not in answer.headers


def test_form_of_another_site_cannot_sign_in(client: httpx.Client) -> None:
    body = f'{{"key": "{ADMIN}", "x": "="}}'
    answer = client.post("/session", content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


# Which key counts


def test_key_in_a_header_beats_the_cookie(uploader: RunningUploader, client: httpx.Client) -> None:
    key = create_key(uploader.base_url, "read")
    assert name_of_caller(client, cookie() | bearer(key)) == "test"
    assert name_of_caller(client, cookie() | {"X-API-Key": key}) == "test"
    assert client.get("/keys", headers=cookie() | bearer("csvp_wrong") | SAME).status_code == 401


def test_authorization_of_a_proxy_leaves_the_cookie_its_place(client: httpx.Client) -> None:
    basic = {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}
    assert name_of_caller(client, cookie() | basic) == "admin key"


def test_several_cookies_of_the_name_count_as_none(client: httpx.Client) -> None:
    other = KeyText.generate().text
    for value in (f"csvpipe_session={other}; csvpipe_session={ADMIN}", f"csvpipe_session={ADMIN}; csvpipe_session="):
        assert name_of_caller(client, {"Cookie": value}) is None
    assert name_of_caller(client, {"Cookie": f"a=b; csvpipe_session={ADMIN};csvpipe_session={ADMIN}; c"}) == "admin key"


def test_long_and_odd_cookies_are_refused(client: httpx.Client) -> None:
    for value in ("x" * 8_000, '"', "=", f'"{ADMIN}"', "é", ADMIN + "%00"):
        raw = [(b"cookie", f"csvpipe_session={value}".encode("latin-1")), (b"sec-fetch-site", b"same-origin")]
        answer = client.get("/keys", headers=raw)
        assert_problem(answer, 401, "unauthenticated")
    assert client.get("/session", headers=cookie("x" * 100_000)).status_code == 431


def test_over_https_the_name_keeps_other_hosts_from_setting_the_cookie(tmp_path: Path) -> None:
    (tmp_path / "chunks").mkdir()
    with (
        running_uploader(tmp_path / "chunks", certificates=tmp_path, **GUARDED) as uploader,
        httpx.Client(base_url=uploader.base_url, trust_env=False, verify=uploader.client_tls or False) as client,
    ):
        answer = sign_in(client, ADMIN, **SAME)
        expected = f"__Host-csvpipe_session={ADMIN}; HttpOnly; SameSite=Strict; Path=/; Secure"
        assert answer.headers["set-cookie"] == expected
        client.cookies.clear()
        assert name_of_caller(client, cookie(name="__Host-csvpipe_session")) == "admin key"
        assert name_of_caller(client, cookie()) is None
        both = {"Cookie": f"csvpipe_session={KeyText.generate().text}; __Host-csvpipe_session={ADMIN}"}
        assert name_of_caller(client, both) == "admin key"


def test_cookie_is_secure_behind_a_proxy_that_serves_https(uploader: RunningUploader, client: httpx.Client) -> None:
    origin = f"https://127.0.0.1:{uploader.port}"
    assert "; Secure" in sign_in(client, ADMIN, Origin=origin, **SAME).headers["set-cookie"]


# Uploading


def test_resumable_upload_by_cookie(uploader: RunningUploader, client: httpx.Client) -> None:
    content = b"id\n1\n"
    metadata = f"dataset_name {base64.b64encode(b'session').decode()}"
    tus = {"Tus-Resumable": "1.0.0", "Origin": uploader.base_url} | cookie()
    created = client.post("/files", headers={**tus, "Upload-Length": str(len(content)), "Upload-Metadata": metadata})
    assert created.status_code == 201, created.text
    place = created.headers["location"]
    sent = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert client.patch(place, content=content, headers={**tus, **sent, "Origin": EVIL}).status_code == 401
    assert client.patch(place, content=content, headers={**tus, **sent}).status_code == 204
    del tus["Origin"]
    assert client.head(place, headers=tus).headers["upload-offset"] == str(len(content))


def test_cookie_is_neither_logged_nor_recorded(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = KeyText.generate().text
    for answer in (
        client.get("/uploads", headers=cookie(key) | SAME),
        client.get("/uploads/x/status", headers=cookie(key) | SAME),
        sign_in(client, key, **SAME),
    ):
        assert key not in answer.text
    client.get("/keys", headers=cookie())
    wait_until(
        lambda: "POST /session" in client.get("/audit", headers=bearer(ADMIN)).text, what="the record", deadline_s=15
    )
    everything = caplog.text + client.get("/audit", headers=bearer(ADMIN)).text
    assert key.split("_", 2)[2] not in everything
    assert ADMIN not in everything


# Open access


def test_open_access_ignores_cookies_of_earlier_sessions(tmp_path: Path) -> None:
    with (
        running_uploader(tmp_path) as uploader,
        httpx.Client(base_url=uploader.base_url, trust_env=False) as client,
    ):
        old = cookie(KeyText.generate().text) | {"Origin": uploader.base_url} | SAME
        assert client.get("/session", headers=old).json()["access"] == "open"
        assert client.get("/uploads", headers=old).status_code == 200
        assert client.get("/session", headers=old | {"Host": "evil.example"}).json()["access"] == "keys"
        assert client.get("/uploads", headers=old | {"Host": "evil.example"}).status_code == 401
        created = client.post(
            "/files",
            headers={**old, "Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "dataset_name eA=="},
        )
        sent = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Tus-Resumable": "1.0.0"}
        assert client.patch(created.headers["location"], content=b"id\n1\n", headers=old | sent).status_code == 204
