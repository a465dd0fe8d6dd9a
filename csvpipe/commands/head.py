"""``csvpipe head``: the first rows of an upload."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from contracts.number_text import counted, format_count
from contracts.reading import MAX_FIRST_ROWS, FirstRows
from csvpipe.console import messages, print_table, shown
from csvpipe.json_output import JsonOption, print_json
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload_id import check_upload_id


def command(
    *,
    upload_id: Annotated[str, typer.Argument(help="Id of the upload, as printed by csvpipe upload.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, max=MAX_FIRST_ROWS, help="Maximum number of rows.")] = 10,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Show the first rows of an upload, from the first chunk. Cells are cut at 200 characters."""
    check_upload_id(upload_id)
    with open_uploader(url=url, profile=profile) as client:
        found = client.first_rows(upload_id, limit=rows)
    if as_json:
        print_json(found)
        return
    print_table(_table(found))
    messages().print(f"{format_count(len(found.rows))} of {counted(found.row_count, 'row')}", markup=False)


def _table(found: FirstRows) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in found.header:
        table.add_column(shown(name))
    for row in found.rows:
        table.add_row(*map(shown, row))
    return table
