"""``csvpipe list``: the uploads that the uploader knows."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from contracts.api import Status
from contracts.number_text import format_count
from csvpipe.console import format_bytes, shown
from csvpipe.json_output import JsonOption, print_json
from csvpipe.names_column import print_with_names
from csvpipe.service import ProfileOption, UrlOption, open_uploader


def command(
    *,
    dataset: Annotated[str | None, typer.Option(help="Only uploads of this dataset.")] = None,
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help="Only uploads with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of uploads.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """List uploads, the newest first."""
    given = {"dataset": dataset, "status": status, "limit": limit}
    with open_uploader(url=url, profile=profile) as client:
        page = client.list_uploads({name: value for name, value in given.items() if value is not None})
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("upload", "dataset", "status", "rows", "size", "chunks", "created"):
        table.add_column(name, justify="right" if name in {"rows", "size", "chunks"} else "left", no_wrap=True)
    for upload in page.uploads:
        table.add_row(
            shown(upload.upload_id),
            shown(upload.dataset_name),
            shown(upload.status),
            format_count(upload.row_count),
            format_bytes(upload.size_bytes),
            str(upload.total_chunks),
            f"{upload.created_at:%Y-%m-%d %H:%M:%S}",
        )
    print_with_names(table, "file", [upload.source_filename for upload in page.uploads])
