"""Who may call what, over real connections to the real server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import Headers

from contracts.permissions import Permission
from tests.support.uploader.access import ADMIN, GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem
from tests.support.uploader.ingest import form
from tests.support.uploader.raw_http import Answer, Connection, connected, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.access.key_text import KeyText
from uploader.access.open_access import describe_access, is_open
from uploader.settings import load_settings

METRICS = "a-token-for-prometheus"
FIVE_GB = 5_000_000_000
NEVER_SENT = b"x" * 1_000_000
FILE = b"id\n1\n"
CALLS = {
    "POST /upload/csv": Permission.UPLOAD,
    "POST /files": Permission.UPLOAD,
    "POST /preview": Permission.UPLOAD,
    "GET /uploads": Permission.READ,
    "GET /datasets": Permission.READ,
    "GET /datasets/{name}": Permission.READ,
    "GET /events": Permission.READ,
    "POST /uploads/known": Permission.READ,
    "GET /uploads/{upload_id}/status": Permission.READ,
    "GET /uploads/{upload_id}/manifest": Permission.READ,
    "GET /uploads/{upload_id}/rows": Permission.READ,
    "GET /uploads/{upload_id}/readers": Permission.READ,
    "GET /uploads/{upload_id}/links": Permission.READ,
    "POST /uploads/{upload_id}/announce": Permission.OPERATE,
    "DELETE /uploads/{upload_id}": Permission.OPERATE,
    "GET /chunks/{upload_id}/{chunk_id}/download": Permission.READ,
    "PUT /chunks/{upload_id}/{chunk_id}/state": Permission.RELAY,
    "GET /audit": Permission.ADMIN,
    "GET /audit/chains": Permission.ADMIN,
    "GET /audit/chains/{replica}": Permission.ADMIN,
    "GET /keys": Permission.ADMIN,
    "POST /keys": Permission.ADMIN,
    "GET /keys/{key_id}": Permission.ADMIN,
    "DELETE /keys/{key_id}": Permission.ADMIN,
    "POST /keys/{key_id}/rotate": Permission.ADMIN,
}
ANY_KEY = {"GET /own-key", *(f"{method} /files/{{upload_id}}" for method in ("HEAD", "GET", "PATCH", "DELETE"))}


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), **GUARDED, metrics_key=METRICS) as running:
        yield running


@pytest.fixture
def client(uploader: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=uploader.base_url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def connection(uploader: RunningUploader) -> Iterator[Connection]:
    with connected(uploader.port) as opened:
        yield opened


def send(
    client: httpx.Client, key: str, dataset: str, content: bytes = FILE, *, retry: dict[str, str] | None = None
) -> httpx.Response:
    return client.post(
        "/upload/csv",
        data={"dataset_name": dataset},
        files={"file": ("rows.csv", content)},
        headers=bearer(key) | (retry or {}),
    )


def call(client: httpx.Client, operation: str, key: str | None, upload_id: str = UNKNOWN) -> httpx.Response:
    method, path = operation.split(" ")
    address = path.format(upload_id=upload_id, chunk_id=1, replica="replica", key_id="00000000", name="dataset")
    body = {"state": "relayed"} if method == "PUT" else None
    with client.stream(method, address, headers=bearer(key), json=body) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):  # which has no end
            answer.read()
    return answer


# The table


def test_every_call_needs_the_permission_of_the_table(uploader: RunningUploader, client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    guarded = {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    assert guarded.keys() == CALLS.keys() | ANY_KEY
    without = {each: create_key(uploader.base_url, *(set(Permission) - {each})) for each in Permission}
    alone = {each: create_key(uploader.base_url, each) for each in Permission}
    for operation, permission in CALLS.items():
        problem = assert_problem(call(client, operation, None), 401, "unauthenticated")
        assert "permission" not in problem
        assert assert_problem(call(client, operation, without[permission]), 403, "permission_denied")[
            "permission"
        ] == str(permission)
        assert call(client, operation, alone[permission]).status_code not in {401, 403}, operation
        assert {"401", "403"} <= guarded[operation]["responses"].keys()


def test_key_is_taken_from_either_header_and_a_proxys_authorization_is_ignored(client: httpx.Client) -> None:
    proxy = {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}
    for headers in (bearer(ADMIN), {"X-API-Key": ADMIN}, {"X-API-Key": ADMIN, **proxy}):
        assert client.get("/own-key", headers=headers).json()["name"] == "admin key"
    several = bearer(ADMIN) | {"X-API-Key": KeyText.generate().text}
    for headers in ({}, proxy, several, bearer(ADMIN[:-1]), bearer("x"), bearer(KeyText.generate().text)):
        answer = client.get("/own-key", headers=headers)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_metrics_need_their_own_key_and_health_none(client: httpx.Client) -> None:
    assert_problem(client.get("/metrics"), 401, "unauthenticated")
    assert_problem(client.get("/metrics", headers=bearer(ADMIN)), 401, "unauthenticated")
    assert client.get("/metrics", headers=bearer(METRICS)).status_code == 200
    assert client.get("/health", headers=bearer("no key")).status_code == 200


# Before the body


@pytest.mark.parametrize("framing", [b"Content-Length: %d" % FIVE_GB, b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    ("request_line", "permissions", "status"),
    [
        (b"POST /upload/csv", [], 401),
        (b"POST /upload/csv", ["read"], 403),
        (b"POST /upload/csv?dataset_name=foreign", ["upload"], 403),
        (b"PUT /chunks/%s/1/state" % UNKNOWN.encode(), ["read"], 403),
        (b"POST /keys", ["upload"], 403),
    ],
    ids=["no key", "no permission", "foreign dataset", "state", "keys"],
)
def test_refused_client_is_not_asked_for_its_body(
    uploader: RunningUploader,
    connection: Connection,
    request_line: bytes,
    permissions: list[str],
    status: int,
    framing: bytes,
) -> None:
    lines = [request_line + b" HTTP/1.1", b"Host: localhost", framing, b"Content-Type: multipart/form-data; boundary=x"]
    if permissions:
        key = create_key(uploader.base_url, *permissions, datasets=["own_*"])
        lines.append(b"Authorization: Bearer " + key.encode())
    connection.send(b"\r\n".join([*lines, b"Expect: 100-continue", b"", b""]))
    assert connection.next_of_all().problem["status"] == status
    assert connection.is_closed()


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_a_refused_upload_is_not_read(
    uploader: RunningUploader, connection: Connection, *, chunked: bool
) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % FIVE_GB
    connection.send(b"POST /upload/csv HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n")
    sent = 0
    with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012  until the uploader has had enough
        while sent < FIVE_GB:
            connection.send(b"%x\r\n%b\r\n" % (len(NEVER_SENT), NEVER_SENT) if chunked else NEVER_SENT)
            sent += len(NEVER_SENT)
    assert sent < 50_000_000  # what fits into the buffers of the sockets
    assert uploader.files() == set()


@pytest.mark.parametrize("framing", [b"Content-Length: %d" % FIVE_GB, b"Transfer-Encoding: chunked"])
def test_body_of_a_redirected_upload_is_not_read(connection: Connection, framing: bytes) -> None:
    """Nobody has to have a key for a redirect."""
    connection.send(b"POST /upload/csv/ HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n")
    answer: Answer = connection.next()
    assert (answer.status, answer.headers["connection"]) == (307, "close")
    assert connection.is_closed()


def test_upload_into_a_foreign_dataset_ends_with_the_field_that_names_it(
    uploader: RunningUploader, connection: Connection
) -> None:
    key = create_key(uploader.base_url, "upload", datasets=["own_*"]).encode()
    field = form([("dataset_name", b"foreign")]).removesuffix(b"--\r\n") + b"\r\n"
    head = upload_head(b"", b"Authorization: Bearer " + key).replace(b"Length: 0", b"Length: %d" % FIVE_GB)
    connection.send(head + field)
    answer: Answer = connection.next()
    assert (answer.problem["code"], answer.problem["permission"]) == ("permission_denied", "upload")
    assert connection.is_closed()
    assert uploader.files() == set()


def test_upload_into_a_foreign_dataset_named_after_the_file_leaves_nothing(
    uploader: RunningUploader, connection: Connection, client: httpx.Client
) -> None:
    before = client.get("/uploads", headers=bearer(ADMIN)).json()
    key = create_key(uploader.base_url, "upload", datasets=["own_*"]).encode()
    body = form([("file", FILE), ("dataset_name", b"foreign")])
    connection.send(upload_head(body, b"Authorization: Bearer " + key) + body)
    assert connection.next().problem["code"] == "permission_denied"
    assert client.get("/uploads", headers=bearer(ADMIN)).json() == before
    assert uploader.files() == set()


# Uploads of others


def test_foreign_upload_is_answered_as_one_that_does_not_exist(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_uploader(tmp_path_factory.mktemp("chunks"), **GUARDED) as uploader,
        httpx.Client(base_url=uploader.base_url, trust_env=False) as client,
    ):
        key = create_key(uploader.base_url, *set(Permission) - {Permission.ADMIN}, datasets=["own_*"])
        own = send(client, key, "own_data").json()["upload_id"]
        foreign = send(client, ADMIN, "Own_data").json()["upload_id"]
        for operation in (each for each in CALLS if "{upload_id}" in each):
            problem = assert_problem(call(client, operation, key, foreign), 404, "upload_not_found")
            unknown = assert_problem(call(client, operation, key, UNKNOWN), 404, "upload_not_found")
            same = {name: str(value).replace(foreign, UNKNOWN) for name, value in problem.items()}
            assert same == {name: str(value) for name, value in unknown.items()}
        listed = client.get("/uploads", headers=bearer(key)).json()["uploads"]
        assert [each["upload_id"] for each in listed] == [own]
        assert client.get("/uploads", params={"dataset": "Own_data"}, headers=bearer(key)).json()["uploads"] == []
        ids = {"upload_ids": [own, foreign]}
        assert client.post("/uploads/known", json=ids, headers=bearer(key)).json() == {"known": [own]}
        assert call(client, "GET /uploads/{upload_id}/status", ADMIN, foreign).json()["status"] == "announced"


def test_idempotency_key_belongs_to_the_key_that_used_it(uploader: RunningUploader, client: httpx.Client) -> None:
    one, other = (create_key(uploader.base_url, "upload") for _ in range(2))
    retry = {"Idempotency-Key": "same"}
    first = send(client, one, "shared", retry=retry)
    second = send(client, other, "shared", FILE + b"2\n", retry=retry)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["upload_id"] != second.json()["upload_id"]
    assert send(client, one, "shared", retry=retry).json()["upload_id"] == first.json()["upload_id"]
    conflict = send(client, other, "shared", retry=retry)
    assert_problem(conflict, 409, "idempotency_conflict")
    assert first.json()["upload_id"] not in conflict.text


# Open access


@pytest.mark.parametrize(
    ("access", "api_host", "local_address", "is_it"),
    [
        ("auto", "127.0.0.1", "127.0.0.1", True),
        ("auto", "localhost", "::1", True),
        ("auto", "0.0.0.0", "127.0.0.1", False),
        ("auto", "127.0.0.1", "10.0.0.7", False),
        ("auto", "uploader.example.org", "127.0.0.1", False),
        ("auto", "uploader", "127.0.0.1", False),
        ("auto", "uploader", None, False),
        ("auto", "127.0.0.1", "testclient", True),
        ("keys", "127.0.0.1", "127.0.0.1", False),
        ("open", "0.0.0.0", "10.0.0.7", True),
    ],
)
def test_keys_are_needed_unless_only_this_machine_can_connect(
    access: str, api_host: str, local_address: str | None, *, is_it: bool
) -> None:
    settings = load_settings(access=access, api_host=api_host)
    assert is_open(settings, local_address) is is_it
    assert ("anyone" in describe_access(settings, has_keys=True)) is is_open(settings, None)


@pytest.mark.parametrize(
    ("host", "origin", "is_it"),
    [
        ("127.0.0.1:8000", None, True),
        ("localhost", "http://localhost:8000", True),
        ("[::1]:8000", "https://[::1]:8000", True),
        ("LocalHost:8000", None, True),
        ("csv.example.org", "https://csv.example.org", False),
        ("rebound.example.com:8000", None, False),
        ("rebound.example.com:8000", "http://rebound.example.com:8000", False),
        ("127.0.0.1.example.com", None, False),
        ("localhost.example.com", None, False),
        ("localhost@example.com", None, False),
        ("127.0.0.1:8000", "https://example.com", False),
        ("127.0.0.1:8000", "null", False),
        ("127.0.0.1:8000", "", False),
        ("[", None, False),
        ("", None, False),
    ],
)
def test_web_page_of_another_host_has_no_access_to_this_machine(host: str, origin: str | None, *, is_it: bool) -> None:
    settings = load_settings(access="auto", api_host="127.0.0.1")
    origins = {} if origin is None else {"origin": origin}
    assert is_open(settings, "127.0.0.1", headers=headers_of(host=host, **origins)) is is_it
    several = Headers(raw=[(b"host", b"localhost"), *headers_of(host=host, **origins).raw])
    assert is_open(settings, "127.0.0.1", headers=several) is is_it
    assert is_open(load_settings(access="open"), "10.0.0.7", headers=several)


@pytest.mark.parametrize(
    ("headers", "is_it"),
    [
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}, True),  # a link
        ({"sec-fetch-site": "same-site", "sec-fetch-dest": "empty"}, True),  # another port of localhost
        ({"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"}, True),
    ],
)
def test_page_of_another_site_cannot_embed_what_is_open(headers: dict[str, str], *, is_it: bool) -> None:
    found = headers_of(host="localhost:8000", **headers)
    assert is_open(load_settings(access="auto", api_host="127.0.0.1"), "127.0.0.1", headers=found) is is_it


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-host": "localhost"},
        {"x-real-ip": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"via": "1.1 proxy"},
    ],
)
def test_proxy_on_this_machine_opens_nothing_to_others(headers: dict[str, str]) -> None:
    settings = load_settings(access="auto", api_host="127.0.0.1")
    assert not is_open(settings, "127.0.0.1", headers=headers_of(host="127.0.0.1:8000", **headers))


@pytest.mark.parametrize("base_url", ["https://csv.example.org/csv", "http://uploader:8000", "http://10.0.0.7:8000"])
def test_uploader_that_is_published_by_a_proxy_needs_keys(base_url: str) -> None:
    settings = load_settings(access="auto", api_host="127.0.0.1", api_base_url=base_url)
    assert not is_open(settings, "127.0.0.1", headers=headers_of(host="127.0.0.1:8000"))
    assert "anyone" not in describe_access(settings, has_keys=True)
    own = load_settings(access="auto", api_host="127.0.0.1", api_base_url="http://localhost:8000")
    assert is_open(own, "127.0.0.1", headers=headers_of(host="127.0.0.1:8000"))


def headers_of(**headers: str) -> Headers:
    return Headers(headers)


def test_browser_cannot_upload_for_a_web_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_uploader(tmp_path_factory.mktemp("chunks"), admin_key=ADMIN) as uploader,
        httpx.Client(base_url=uploader.base_url, trust_env=False) as client,
    ):

        def upload(headers: dict[str, str]) -> httpx.Response:
            files = {"file": ("rows.csv", FILE)}
            return client.post("/upload/csv", data={"dataset_name": "own"}, files=files, headers=headers)

        others = ({"Origin": "https://example.com"}, {"Host": "rebound.example.com"}, {"X-Forwarded-For": "10.0.0.7"})
        for headers in others:
            assert_problem(upload(headers), 401, "unauthenticated")
            assert client.get("/uploads", headers=headers | bearer(ADMIN)).json()["uploads"] == []
            assert client.get("/health", headers=headers).status_code == 200
        assert upload({"Origin": uploader.base_url}).status_code == 202


def test_open_uploader_checks_a_key_that_is_presented(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_uploader(tmp_path_factory.mktemp("chunks"), admin_key=ADMIN) as uploader:
        client = httpx.Client(base_url=uploader.base_url, trust_env=False)
        with client:
            assert client.get("/uploads").status_code == 200
            reader = create_key(uploader.base_url, "read", datasets=["own"])
            assert send(client, reader, "own").status_code == 403
            assert_problem(client.get("/uploads", headers=bearer(KeyText.generate().text)), 401, "unauthenticated")
