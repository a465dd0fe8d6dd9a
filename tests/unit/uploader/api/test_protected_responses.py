"""Every response keeps browsers and caches from doing more with it than its client wants."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from contracts.errors import CsvPipeError
from tests.support.uploader.access import ADMIN, GUARDED, bearer
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem
from tests.support.uploader.raw_http import connected
from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.http.protective_headers import PROTECTIVE_HEADERS
from uploader.store.uploads import UploadStore

XSS = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(
        tmp_path_factory.mktemp("chunks"), **GUARDED, cors_origins="https://other.example"
    ) as running:
        yield running


@pytest.fixture
def client(uploader: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=uploader.base_url, trust_env=False, headers=bearer(ADMIN)) as opened:
        yield opened


def assert_protected(answer: httpx.Response) -> None:
    found = {name: answer.headers.get(name) for name in PROTECTIVE_HEADERS}
    policy = found["Content-Security-Policy"] or ""
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    others = {"Content-Security-Policy", "Cache-Control"}
    assert {name: found[name] for name in found.keys() - others} == {
        name: value for name, value in PROTECTIVE_HEADERS.items() if name not in others
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/uploads", 200),
        ("GET", "/uploads/", 307),
        ("GET", "/keys", 200),
        ("GET", "/audit", 200),
        ("GET", "/own-key", 200),
        ("GET", "/session", 200),
        ("DELETE", "/session", 204),
        ("GET", "/metrics", 200),
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("OPTIONS", "/files", 204),
        ("HEAD", f"/files/{UNKNOWN}", 412),
        ("GET", f"/uploads/{XSS}/status", 404),
        ("GET", f"/{XSS}", 404),
        ("POST", "/uploads", 405),
        ("GET", "/uploads?limit=x", 422),
        ("POST", "/upload/csv", 415),
    ],
)
def test_response_is_protected_and_kept_by_no_cache(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert_protected(answer)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/redoc", "/docs/assets/favicon.png", "/docs/assets/redoc.standalone.js"]
)
def test_pages_and_their_assets_are_protected(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert_protected(answer)


def test_refusals_are_protected(uploader: RunningUploader, client: httpx.Client) -> None:
    refused = client.get("/uploads", headers=bearer("wrong"))
    assert_problem(refused, 401, "unauthenticated")
    assert_protected(refused)
    origin = {"Origin": "https://other.example", "Access-Control-Request-Method": "PATCH"}
    assert_protected(client.options("/files", headers=origin))
    with connected(uploader.port) as connection:
        connection.send(b"not HTTP\r\n\r\n")
        headers = connection.next().headers
    assert {name.lower(): value for name, value in PROTECTIVE_HEADERS.items()}.items() <= headers.items()


@pytest.mark.parametrize("error", [CsvPipeError("wrong"), ValueError("wrong")])
def test_errors_are_protected(client: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(UploadStore, "list_page", fail)
    # uvicorn closes the connection after an unexpected error, maybe when the next request has been written to it
    answer = client.get("/uploads", headers={"Connection": "close"})
    assert answer.status_code == 500
    assert answer.headers["cache-control"] == "no-store"
    assert_protected(answer)


def test_download_is_no_page_and_belongs_to_its_client_alone(client: httpx.Client) -> None:
    page = f"a,{XSS}\n1,2\n".encode()
    answer = client.post("/upload/csv", data={"dataset_name": "pages"}, files={"file": ("page.html", page)})
    address = f"/chunks/{answer.raise_for_status().json()['upload_id']}/1/download"
    whole = client.get(address)
    for found in (whole, client.get(address, headers={"If-None-Match": whole.headers["etag"]})):
        assert found.headers["cache-control"] == "private, no-cache, no-transform"
        assert_protected(found)
    assert whole.headers["content-type"] == "text/csv"
    assert whole.headers["content-disposition"].startswith("attachment; ")
