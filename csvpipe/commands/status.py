"""``csvpipe status``: where an upload and each of its chunks stand."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from contracts.api import ChunkStatus, UploadStatus
from contracts.number_text import counted
from contracts.printable import printable, printable_json
from contracts.states import ChunkState
from csvpipe.console import format_bytes, messages, output, print_table, shown
from csvpipe.landing import describe_states, wait_until_landed
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload_id import check_upload_id

_STYLES = {ChunkState.LANDED: "green", ChunkState.CLEANED: "green", ChunkState.FAILED: "red"}


def command(
    *,
    upload_id: Annotated[str, typer.Argument(help="Id of the upload, as printed by csvpipe upload.")],
    watch: Annotated[bool, typer.Option("--watch", help="Follow the upload until its state is final.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to follow with --watch.")] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the uploader's response unchanged.")] = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Show the state of an upload and of each of its chunks.

    With --watch the exit code is 0 when all chunks have landed, and 1 when that has become impossible.
    """
    check_upload_id(upload_id)
    with open_uploader(url=url, profile=profile) as client:
        if watch:
            client.status(upload_id)  # a wrong address is said now, not at the end of the wait
            wait_until_landed(client, upload_id, timeout_s=timeout, console=messages())
        if as_json:
            print(printable_json(client.status_document(upload_id).text))
            return
        status = client.status(upload_id)
    output().print(_summary(status), markup=False)
    print_table(_table(status.chunks))


def _summary(status: UploadStatus) -> str:
    lines = [
        f"upload   {status.upload_id}",
        *([f"file     {status.source_filename}"] if status.source_filename else []),
        f"dataset  {status.dataset_name}",
        f"status   {status.status} ({describe_states(status)})",
        f"source   {counted(status.row_count, 'row')}, {format_bytes(status.size_bytes)}, sha256 {status.sha256}",
        f"created  {status.created_at:%Y-%m-%d %H:%M:%S %Z}",
    ]
    if status.landed_at is not None:
        took_s = (status.landed_at - status.created_at).total_seconds()
        lines.append(f"landed   {status.landed_at:%Y-%m-%d %H:%M:%S %Z}, {took_s:.1f} s after it was created")
    if status.error:
        lines.append(f"error    {status.error}")
        if not status.final:
            lines.append("next     nothing to do: the remaining chunks are in progress, or will be announced again")
    return "\n".join(map(printable, lines))


def _table(chunks: list[ChunkStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("chunk", "state", "rows", "size", "file", "error"):
        table.add_column(name, justify="right" if name in {"chunk", "rows", "size"} else "left")
    for chunk in chunks:
        table.add_row(
            str(chunk.chunk_id),
            f"[{_STYLES.get(chunk.state, 'yellow')}]{chunk.state}[/]",
            f"{chunk.row_start}-{chunk.row_end}",
            format_bytes(chunk.size_bytes),
            shown(chunk.filename),
            shown(chunk.error or ""),
        )
    return table
