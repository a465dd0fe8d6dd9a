"""Announcing again and deleting."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect

from contracts.names import BYTES_PER_MB
from contracts.permissions import Permission
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline

LANDS_WITHIN_MS = 120_000
_AIRFLOW = ("airflow-scheduler", "airflow-triggerer")


def test_failed_chunk_is_announced_again_and_lands(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=2 * BYTES_PER_MB)
    with _airflow_frozen(pipeline):
        upload_id = pipeline.upload(file, "announced-again", "size", 1)["upload_id"]
        pipeline.wait_for(upload_id, "announced")
        page.enter(pipeline.client_key, f"uploads/{upload_id}")
        for chunk in (1, 2):
            pipeline.report_failed(upload_id, chunk, "NiFi's disk is full")
        messages = pipeline.end_offsets()
        failure = page.alert.filter(has_text="chunks 1, 2: NiFi's disk is full")
        expect(failure).to_be_visible()
        page.tab.get_by_role("button", name="Announce again").click()
        expect(page.tab.get_by_text("Announced.", exact=True)).to_be_visible()
        expect(failure).not_to_be_visible()
        pipeline.wait(lambda: pipeline.end_offsets() == messages + 2, "both chunks are announced again", 30)
    expect(page.step("landed")).to_contain_text("landed, done", timeout=LANDS_WITHIN_MS)
    pipeline.wait_until_landed(upload_id)  # its manifest follows
    pipeline.check_landed_exactly_once(upload_id, "announced-again", file)


def test_deleting_asks_first_and_removes_the_upload(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=BYTES_PER_MB)
    upload_id = pipeline.upload(file, "deleted", "size", 1)["upload_id"]
    pipeline.wait_until_landed(upload_id)
    page.enter(pipeline.client_key, f"uploads/{upload_id}")
    page.tab.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.tab.get_by_role("dialog", name="Delete this upload of deleted?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    assert pipeline.status(upload_id)["status"] == "landed"
    page.tab.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("button", name="Delete the upload").click()
    expect(page.tab.get_by_text("The upload was deleted.").first).to_be_visible()
    assert pipeline.status(upload_id)["status"] == "aborted"


def test_actions_need_a_permission(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=BYTES_PER_MB)
    upload_id = pipeline.upload(file, "only-read", "size", 1)["upload_id"]
    page.enter(pipeline.create_key(Permission.READ), f"uploads/{upload_id}")
    expect(page.tab.get_by_text("need a key with the permission operate")).to_be_visible()
    expect(page.tab.get_by_role("button", name="Announce again")).to_have_count(0)
    expect(page.tab.get_by_role("button", name="Delete")).to_have_count(0)


@contextmanager
def _airflow_frozen(pipeline: Pipeline) -> Iterator[None]:
    """Let Airflow take no message until the block ends."""
    for name in _AIRFLOW:
        pipeline.stack.kill(name, signal.SIGSTOP, family=True)
    try:
        yield
    finally:
        for name in _AIRFLOW:
            pipeline.stack.kill(name, signal.SIGCONT, family=True)
