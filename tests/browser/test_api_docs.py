"""``/docs`` and ``/redoc`` without the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser.observed import Observed
from tests.support.uploader.access import ADMIN, GUARDED
from tests.support.uploader.server import RunningUploader, running_uploader

_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""ReDoc wants to show it. Its page's policy refuses that."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), **GUARDED) as running:
        yield running


@pytest.fixture(scope="module")
def operations(server: RunningUploader) -> list[str]:
    """Give the summary of every operation."""
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=60, trust_env=False).json()
    return [operation["summary"] for path in document["paths"].values() for operation in path.values()]


def test_docs_show_every_operation(server: RunningUploader, tab: Page, operations: list[str]) -> None:
    tab.goto(f"{server.base_url}/docs")
    shown = tab.locator(".opblock-summary-description")
    expect(shown).to_have_count(len(operations))
    assert sorted(shown.all_inner_texts()) == sorted(operations)


def test_docs_send_a_request_with_a_key(server: RunningUploader, tab: Page) -> None:
    tab.goto(f"{server.base_url}/docs")
    tab.get_by_role("button", name="Authorize").click()
    tab.get_by_label("auth-bearer-value").fill(ADMIN)
    tab.get_by_role("button", name="Apply credentials").first.click()
    tab.get_by_role("button", name="Close").first.click()
    operation = tab.locator(".opblock", has_text="Get the caller's own key")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"name": "admin key"')


def test_redoc_shows_every_operation(server: RunningUploader, context: BrowserContext, operations: list[str]) -> None:
    observed = Observed(context)
    tab = context.new_page()
    tab.goto(f"{server.base_url}/redoc")
    for summary in operations:
        expect(tab.locator("h2", has_text=re.compile(rf"^\s*{re.escape(summary)}\s*$"))).to_be_visible()
    tab.get_by_placeholder("Search...").fill("announce")
    expect(tab.get_by_role("menuitem", name="Announce an upload again")).to_be_visible()
    assert observed.foreign == [_LOGO]
    (fault,) = observed.faults
    assert f"'{_LOGO}' violates the following Content Security Policy" in fault
