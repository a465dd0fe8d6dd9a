"""The page for people, built and not built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.uploader.access import GUARDED
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import running_uploader
from uploader.api.routes import page


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "PAGE_DIRECTORY", tmp_path / "page")
    return tmp_path / "page"


@pytest.fixture
def client(tmp_path: Path, directory: Path) -> Iterator[httpx.Client]:
    (tmp_path / "chunks").mkdir()
    with (
        running_uploader(tmp_path / "chunks", **GUARDED) as uploader,
        httpx.Client(base_url=uploader.base_url, trust_env=False) as opened,
    ):
        yield opened


def assert_protected(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


def test_without_the_build_the_page_says_how_to_build_it(client: httpx.Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "make setup" in answer.text
    assert 'href="docs"' in answer.text
    assert_protected(answer)
    assert_problem(client.get("/assets/page.js"), 404, "not_found")


def test_page_and_assets_need_no_key_and_are_protected(client: httpx.Client, directory: Path) -> None:
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<title>Built</title>")
    (directory / "assets" / "page-1a2b.js").write_text("export {};")
    (directory / "secret.txt").write_text("not an asset")
    index, script = client.get("/"), client.get("/assets/page-1a2b.js")
    assert (index.text, index.headers["cache-control"]) == ("<title>Built</title>", "no-cache")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    for answer in (index, script, client.head("/"), client.head("/assets/page-1a2b.js")):
        assert answer.status_code == 200
        assert_protected(answer)
    again = client.get("/assets/page-1a2b.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304
    for path in (
        "/assets/",
        "/assets/..%2Fsecret.txt",
        "/assets/%2E%2E/secret.txt",
        "/assets//etc/passwd",
        "/assets/%00",
    ):
        assert_problem(client.get(path), 404, "not_found")
