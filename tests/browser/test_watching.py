"""Uploads that others send appear and land on the page while it is looked at."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from contracts.names import BYTES_PER_MB
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline

LANDS_WITHIN_MS = 120_000


def test_upload_of_another_person_appears_in_the_list_and_lands(
    page: UploaderPage, pipeline: Pipeline, tmp_path: Path
) -> None:
    """Once it listens for events, the page cannot ask for the list any more."""
    page.enter(pipeline.client_key, "uploads")
    expect(page.tab.get_by_text("Changes appear as they happen.")).to_be_visible()
    expect(page.tab.get_by_text("Loading")).to_have_count(0)
    page.tab.route(lambda address: urlsplit(address).path == "/uploads", lambda route: route.abort())
    file = write_csv(tmp_path / "data.csv", size_bytes=3 * BYTES_PER_MB)
    sent = pipeline.upload(file, "watched-list", "size", 1)
    row = page.row_of(sent["upload_id"])
    expect(row).to_contain_text("watched-list")
    expect(row).to_contain_text("data.csv")
    expect(row).to_contain_text("landed", timeout=LANDS_WITHIN_MS)
    expect(row).to_contain_text("3 of 3 landed")
    expect(row).to_contain_text(f"{file.rows:,}")


def test_one_upload_is_followed_until_it_has_landed(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=3 * BYTES_PER_MB)
    sent = pipeline.upload(file, "watched-upload", "size", 1)
    page.enter(pipeline.client_key, f"uploads/{sent['upload_id']}")
    page.expect_view(sent["upload_id"])
    expect(page.step("landed")).to_contain_text("landed, done", timeout=LANDS_WITHIN_MS)
    expect(page.step("landed")).to_contain_text("3 of 3 chunks")
    pipeline.wait_until_landed(sent["upload_id"])  # its manifest follows
    pipeline.check_landed_exactly_once(sent["upload_id"], "watched-upload", file)
    page.go_to("Datasets")
    page.tab.get_by_role("link", name="watched-upload").click()
    expect(page.tab.get_by_text("1 upload: 1 landed, 0 failed")).to_be_visible()
    expect(page.tab.get_by_role("heading", name="4 columns")).to_be_visible()
