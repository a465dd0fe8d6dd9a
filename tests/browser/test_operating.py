"""Announcing again and deleting."""

from __future__ import annotations

import os
import re
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
FAILS_WITHIN_MS = 180_000
_AIRFLOW = ("airflow-scheduler", "airflow-triggerer")


def test_failed_chunk_is_announced_again_and_lands(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    """The bytes of a chunk differ from their SHA-256, as on a damaged disk, so NiFi refuses them."""
    file = write_csv(tmp_path / "data.csv", size_bytes=2 * BYTES_PER_MB)
    with _airflow_frozen(pipeline):
        upload_id = pipeline.upload(file, "announced-again", "size", 1)["upload_id"]
        pipeline.wait_for(upload_id, "announced")
        damaged = pipeline.chunk_file(upload_id, 2)
        _flip_a_bit(damaged)
    messages = pipeline.end_offsets()
    page.enter(pipeline.client_key, f"uploads/{upload_id}")
    failure = page.alert.filter(has_text=re.compile("chunk 2: .*does not exist"))
    expect(failure).to_be_visible(timeout=FAILS_WITHIN_MS)
    assert set(pipeline.nifi_failures(upload_id)) == {"sha256_mismatch"}
    _flip_a_bit(damaged)
    page.tab.get_by_role("button", name="Announce again").click()
    expect(page.tab.get_by_text("Announced.", exact=True)).to_be_visible()
    expect(page.step("landed")).to_contain_text("landed, done", timeout=LANDS_WITHIN_MS)
    expect(failure).not_to_be_visible()
    assert pipeline.end_offsets() == messages + 1, "other messages than that of the failed chunk"
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


def _flip_a_bit(file: Path) -> None:
    """Change a bit in the middle of a file, or change it back."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


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
