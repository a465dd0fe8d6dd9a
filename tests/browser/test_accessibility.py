"""Every view: accessible in light and dark, usable 320 px wide, and by the keyboard alone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from contracts.names import BYTES_PER_MB
from tests.support.browser.accessibility import check_accessible
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline

DATASET = "accessible"
NARROW, HEIGHT = 320, 640
NAME = f"<img src=x onerror=x>&amp;{'n' * 200}.csv"
"""As long as a name may be, without a place to break it, and no markup."""


@pytest.fixture(scope="module")
def landed(running_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the id of an upload that has landed."""
    file = write_csv(tmp_path_factory.mktemp("file") / NAME, size_bytes=2 * BYTES_PER_MB, quoted=True)
    sending = ("upload", str(file.path), "--dataset", DATASET, "--chunk-type", "size", "--chunk-size", "1")
    upload_id = running_pipeline.run_csvpipe(*sending).strip()
    running_pipeline.wait_until_landed(upload_id)
    return upload_id


@pytest.fixture
def views(landed: str) -> dict[str, str]:
    """Give what each view shows when it is complete."""
    return {
        "send": "Send",
        "uploads": NAME,
        f"uploads/{landed}": "Read it",
        "datasets": DATASET,
        f"datasets/{DATASET}": "4 columns",
        "no-such-view": "There is no such page",
    }


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_view_has_a_violation(
    page: UploaderPage, pipeline: Pipeline, views: dict[str, str], colours: Literal["light", "dark"]
) -> None:
    page.tab.emulate_media(color_scheme=colours)
    page.open()
    page.expect_view("Sign in")
    check_accessible(page.tab)
    page.sign_in("csvp_wrong")
    expect(page.alert).to_be_visible()
    check_accessible(page.tab)
    page.enter(pipeline.client_key)
    for view, shown in views.items():
        page.show(view, shown)
        check_accessible(page.tab)


def test_no_view_scrolls_sideways_on_a_narrow_screen(
    page: UploaderPage, pipeline: Pipeline, views: dict[str, str]
) -> None:
    page.tab.set_viewport_size({"width": NARROW, "height": HEIGHT})
    page.open()
    page.expect_view("Sign in")
    assert page.content_width() <= NARROW
    page.enter(pipeline.client_key)
    for view, shown in views.items():
        page.show(view, shown)
        assert page.content_width() <= NARROW, view


def test_keyboard_is_enough_to_sign_in_and_to_open_an_upload(
    page: UploaderPage, pipeline: Pipeline, landed: str
) -> None:
    page.open("uploads")
    page.expect_view("Sign in")
    page.tab_to(page.tab.get_by_label("Key", exact=True))
    page.tab.keyboard.type(pipeline.client_key)
    page.tab.keyboard.press("Enter")
    page.expect_view("Uploads")
    page.tab_to(page.tab.get_by_role("link", name=landed))
    page.tab.keyboard.press("Enter")
    page.expect_view(landed)
    expect(page.tab.get_by_role("heading", level=1)).to_be_focused()
    page.tab_to(page.tab.get_by_role("button", name="Delete", exact=True))
    page.tab.keyboard.press("Enter")
    dialog = page.tab.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.tab.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page.tab.get_by_role("button", name="Delete", exact=True)).to_be_focused()


def test_skip_button_goes_past_the_navigation(page: UploaderPage, pipeline: Pipeline) -> None:
    page.enter(pipeline.client_key, "datasets")
    page.tab.reload()
    page.expect_view("Datasets")
    page.tab.keyboard.press("Tab")
    skip = page.tab.get_by_role("button", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.tab.keyboard.press("Enter")
    expect(page.tab.get_by_role("main")).to_be_focused()
