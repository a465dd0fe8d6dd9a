"""``csvpipe upload``: send one CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from contracts.api import UploadAccepted
from contracts.number_text import counted
from csvpipe.client import UploaderClient
from csvpipe.console import byte_progress, format_bytes, messages, output, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.json_output import JsonOption, print_json
from csvpipe.landing import wait_until_landed
from csvpipe.repeated_upload import repeat_upload
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload_source import STDIN, open_source
from csvscan import Strictness
from uploader.domain.cutting import ChunkType

PATIENCE_S = 600.0
"""Longest wait for the limits of the key by default: a hundred uploads at 10 a minute, started at once."""


def command(
    *,
    file: Annotated[Path, typer.Argument(help="CSV file; '-' reads standard input.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the file; the folder in the bucket.")],
    chunk_type: Annotated[ChunkType | None, typer.Option(help="Unit of --chunk-size.")] = None,
    chunk_size: Annotated[int | None, typer.Option(min=1, help="Size in MiB, rows, or number of chunks.")] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file; default: detected by the BOM.")] = None,
    strict: Annotated[bool, typer.Option(help="Refuse rows with another number of fields than the header.")] = True,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Refuse them, unless all surplus fields are empty: 1,2,,")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key that makes a repeated upload return the first one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every chunk has landed.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --wait.")] = 1800.0,
    retry_for: Annotated[
        float, typer.Option(min=0, help="Maximum seconds to wait, in total, while the limits of the key are reached.")
    ] = PATIENCE_S,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Upload a CSV file, and with --wait, wait until it has landed.

    The SHA-256 of the sent bytes is compared with the uploader's. Prints the id of the upload on stdout, or
    with --json, what the uploader has accepted, before it waits.
    """
    if lenient and not strict:
        raise typer.BadParameter("--no-strict accepts more rows: choose one of the two", param_hint="--lenient")
    strictness = Strictness.LENIENT if lenient else Strictness.STRICT if strict else Strictness.OFF
    fields = {"dataset_name": dataset, "strict": strictness.value}
    optional = {"chunk_type": chunk_type, "chunk_size": chunk_size, "delimiter": delimiter, "encoding": encoding}
    fields |= {name: str(value) for name, value in optional.items() if value is not None}
    with open_uploader(url=url, profile=profile) as client:
        accepted = send(client, file, fields=fields, idempotency_key=idempotency_key, patience_s=retry_for)
        describe(accepted)
        if as_json:
            print_json({"uploads": [accepted.model_dump(mode="json")]})
        if wait:
            wait_until_landed(client, accepted.upload_id, timeout_s=timeout, console=messages())
    if not as_json:
        output().print(shown(accepted.upload_id))


def send(
    client: UploaderClient,
    path: Path,
    *,
    fields: dict[str, str],
    idempotency_key: str | None = None,
    patience_s: float = PATIENCE_S,
) -> UploadAccepted:
    """Send the file at ``path`` (``-``: standard input) with a progress bar.

    It always has an Idempotency-Key, so it can be sent again (see :func:`csvpipe.repeated_upload.repeat_upload`).

    Raises:
        RefusedError: there is no such file, or it is not readable.
        CommandError: see :meth:`UploaderClient.upload`.
    """
    with open_source(path) as source, byte_progress(messages()) as bar:
        name = "stdin.csv" if path == STDIN else path.name
        size_bytes = source.size_bytes
        key = idempotency_key or uuid4().hex
        task = bar.add_task(shown(name), total=size_bytes)

        def upload() -> UploadAccepted:
            return client.upload(
                file=source,
                filename=name,
                size_bytes=size_bytes,
                fields=fields,
                idempotency_key=key,
                on_sent=lambda count: bar.advance(task, count),
            )

        def rewind() -> bool:
            bar.reset(task)
            return source.rewind()

        return repeat_upload(
            upload,
            rewind=rewind,
            idempotency_key=key,
            patience_s=patience_s,
            say=lambda text: messages().print(shown(text)),
        )


def describe(accepted: UploadAccepted) -> None:
    """Say on stderr what the uploader made of the file."""
    rows, chunks = counted(accepted.row_count, "row"), counted(accepted.total_chunks, "chunk")
    messages().print(f"{rows}, {format_bytes(accepted.size_bytes)}, sha256 {shown(accepted.sha256)}")
    if (deviations := accepted.accepted_deviations) is not None:
        surplus = counted(deviations.surplus_empty_cells, "row")
        blank = counted(deviations.blank_last_lines, "blank line")
        messages().print(f"accepted: {surplus} with surplus empty cells, {blank} at the end")
    messages().print(f"{chunks}, {shown(accepted.status)}; follow it at {shown(accepted.tracking_url)}")
