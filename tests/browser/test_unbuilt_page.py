"""An uploader that was started without the build of its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.accessibility import check_accessible
from tests.support.uploader.server import running_uploader
from uploader.api.routes import page as route


def test_unbuilt_page_says_how_to_build_it(tab: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "PAGE_DIRECTORY", tmp_path / "not-built")
    with running_uploader(tmp_path) as server:
        tab.goto(server.base_url)
        expect(tab.get_by_role("heading", name="The page was not built")).to_be_visible()
        expect(tab.get_by_text("make setup")).to_be_visible()
        check_accessible(tab)
        tab.get_by_role("link", name="its documentation").click()
        expect(tab.get_by_role("heading", name="CSV ingestion: uploader")).to_be_visible()
