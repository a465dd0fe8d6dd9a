"""``/docs``: the page works without access to other hosts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx

_LINK = re.compile(r"""(?:src|href)=["']([^"']+)["']""")
_CALLED = re.compile(r"""["']?url["']?:\s*["']([^"']+)["']""")


def test_page_loads_everything_from_the_uploader(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assets = _LINK.findall(page.text)
    assert any(asset.endswith(".js") for asset in assets)
    assert any(asset.endswith(".css") for asset in assets)
    for asset in [*assets, *_CALLED.findall(page.text)]:
        assert not urlsplit(asset).netloc, asset
        answer = client.get(asset)
        assert answer.status_code == 200, asset
        assert answer.content


def test_page_uses_no_external_validator(client: httpx.Client) -> None:
    # Swagger UI sends the document's address to validator.swagger.io unless this is null.
    assert re.search(r'"validatorUrl":\s*null', client.get("/docs").text)


def test_assets_are_below_the_path_of_the_page(client: httpx.Client) -> None:
    for asset in _LINK.findall(client.get("/docs").text):
        assert asset.startswith("/docs/"), asset


def test_there_is_only_one_documentation_page(client: httpx.Client) -> None:
    assert client.get("/redoc").status_code == 404
