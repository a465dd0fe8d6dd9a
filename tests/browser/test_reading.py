"""What the page shows of an upload's content, and the statements that read it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from contracts.names import BYTES_PER_MB
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline


def test_statement_of_the_page_reads_the_rows_of_the_file(
    page: UploaderPage, pipeline: Pipeline, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=3 * BYTES_PER_MB, quoted=True)
    upload_id = pipeline.upload(file, "read-elsewhere", "size", 1)["upload_id"]
    pipeline.wait_until_landed(upload_id)
    page.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.enter(pipeline.client_key, f"uploads/{upload_id}")
    statement = page.copy_statement("Polars")
    with file.path.open(encoding="utf-8", newline="") as source:
        header, *rows = list(csv.reader(source))

    secrets = pipeline.stack.context.secrets
    assert secrets.minio_root_password.get_secret_value() not in statement
    variables: dict[str, Any] = {}
    exec(
        statement.replace("'ACCESS_KEY'", repr(secrets.minio_root_user)).replace(
            "'SECRET_KEY'", repr(secrets.minio_root_password.get_secret_value())
        ),
        variables,
    )
    frame = variables["frame"]
    assert frame.columns == header
    assert [list(row) for row in frame.rows()] == rows


def test_first_rows_are_shown(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=BYTES_PER_MB, salt="shown")
    upload_id = pipeline.upload(file, "first-rows", "size", 1)["upload_id"]
    page.enter(pipeline.client_key, f"uploads/{upload_id}")
    table = page.tab.get_by_role("table", name="First rows")
    expect(table.get_by_role("columnheader")).to_have_text(["row", "id", "amount", "name", "remark"])
    expect(table.get_by_role("row")).to_have_count(21)
    expect(table.get_by_role("row").nth(20)).to_contain_text("customer shown 20")
    expect(page.tab.get_by_text(f"The first 20 of {file.rows:,} rows.")).to_be_visible()
