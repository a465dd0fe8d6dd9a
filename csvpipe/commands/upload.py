"""``csvpipe upload``: send one CSV file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import uuid4

import typer

from contracts.api import UploadAccepted
from contracts.errors import TemporaryFailureError
from contracts.number_text import counted
from csvpipe.client import UploaderClient
from csvpipe.console import byte_progress, format_bytes, messages, output, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.errors import RefusedError, ResponseLostError, UnavailableError, UploaderFailedError
from csvpipe.landing import wait_until_landed
from csvpipe.settings import load_settings
from uploader.domain.cutting import ChunkType

STDIN = Path("-")


def command(
    *,
    file: Annotated[Path, typer.Argument(help="CSV file; '-' reads standard input.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the file; the folder in the bucket.")],
    chunk_type: Annotated[ChunkType | None, typer.Option(help="Unit of --chunk-size.")] = None,
    chunk_size: Annotated[int | None, typer.Option(min=1, help="Size in MiB, rows, or number of chunks.")] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file; default: detected by the BOM.")] = None,
    strict: Annotated[bool, typer.Option(help="Refuse rows with another number of fields than the header.")] = True,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key that makes a repeated upload return the first one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every chunk has landed.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --wait.")] = 1800.0,
    url: Annotated[str | None, typer.Option(help="Address of the uploader (default: CSVPIPE_URL).")] = None,
) -> None:
    """Upload a CSV file, and with --wait, wait until it has landed.

    The SHA-256 of the sent bytes is compared with the uploader's. Prints the id of the upload on stdout.
    """
    fields = {"dataset_name": dataset, "strict": "true" if strict else "false"}
    optional = {"chunk_type": chunk_type, "chunk_size": chunk_size, "delimiter": delimiter, "encoding": encoding}
    fields |= {name: str(value) for name, value in optional.items() if value is not None}
    with UploaderClient(load_settings(csvpipe_url=url).csvpipe_url) as client:
        accepted = send(client, file, fields=fields, idempotency_key=idempotency_key)
        describe(accepted)
        if wait:
            wait_until_landed(client, accepted.upload_id, timeout_s=timeout, console=messages())
    output().print(shown(accepted.upload_id))


def send(
    client: UploaderClient, path: Path, *, fields: dict[str, str], idempotency_key: str | None = None
) -> UploadAccepted:
    """Send the file at ``path`` (``-``: standard input) with a progress bar.

    It always has a key: where the answer is lost it is sent once more, and taken once.

    Raises:
        RefusedError: there is no such file, or it is not readable.
        CommandError: see :meth:`UploaderClient.upload`.
    """
    with _open(path) as file, byte_progress(messages()) as bar:
        name = "stdin.csv" if path == STDIN else path.name
        size_bytes = _size_bytes(file)
        start = file.tell() if file.seekable() else None
        key = idempotency_key or uuid4().hex
        task = bar.add_task(shown(name), total=size_bytes)

        def upload() -> UploadAccepted:
            return client.upload(
                file=file,
                filename=name,
                size_bytes=size_bytes,
                fields=fields,
                idempotency_key=key,
                on_sent=lambda count: bar.advance(task, count),
            )

        def rewind() -> bool:
            if start is None:
                return False
            file.seek(start)
            bar.reset(task)
            return True

        return _repeated_once(upload, rewind, key)


def describe(accepted: UploadAccepted) -> None:
    """Say on stderr what the uploader made of the file."""
    rows, chunks = counted(accepted.row_count, "row"), counted(accepted.total_chunks, "chunk")
    messages().print(f"{rows}, {format_bytes(accepted.size_bytes)}, sha256 {shown(accepted.sha256)}")
    messages().print(f"{chunks}, {shown(accepted.status)}; follow it at {shown(accepted.tracking_url)}")


def _repeated_once(upload: Callable[[], UploadAccepted], rewind: Callable[[], bool], key: str) -> UploadAccepted:
    """Upload, and retry once if the response was lost. An error explains how to send the file without a duplicate."""
    hint = f"The file may have been accepted; send it again with --idempotency-key {key}, and it is accepted only once"
    sent_before = False
    while True:
        try:
            return upload()
        except UnavailableError as error:
            if not (sent_before or isinstance(error, ResponseLostError)):
                raise
            if sent_before or not rewind():
                raise type(error)(f"{error.detail} {hint}", **error.extra) from error
            sent_before = True
            messages().print("The uploader's response was lost; sending the file again with the same key")
        except (TemporaryFailureError, UploaderFailedError) as error:
            raise type(error)(f"{error.detail}. {hint}", **error.extra) from error


def _open(path: Path) -> BinaryIO:
    try:
        return sys.stdin.buffer if path == STDIN else path.open("rb")
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}") from error


def _size_bytes(file: BinaryIO) -> int | None:
    status = os.fstat(file.fileno())
    return status.st_size - file.tell() if stat.S_ISREG(status.st_mode) else None
