"""``csvpipe upload``: send CSV files, each as an upload of its own that resumes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode
from contracts.number_text import counted
from csvpipe.client import UploaderClient
from csvpipe.console import format_bytes, messages, output, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.errors import UploadStoppedError
from csvpipe.json_output import JsonOption, print_json
from csvpipe.landing import wait_until_landed
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload.batch import FileResult, send_all, worst_exit_code
from csvpipe.upload.file_selection import select_files
from csvpipe.upload.saved_uploads import NOT_SAVED, SavedUploads, state_directory
from csvpipe.upload.sender import Sender, SendOptions
from csvpipe.upload.source import STDIN
from csvpipe.upload.upload_bars import UploadBars
from csvscan import Strictness
from uploader.domain.cutting import ChunkType

RETRY_FOR_S = 600.0
"""Longest time without progress by default: a restart of the uploader, or the limits of the key for a hundred files."""


def command(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR...", help="CSV files, directories with them, or '-' for standard input."),
    ],
    dataset: Annotated[str, typer.Option(help="Dataset of the files; the folder in the bucket.")],
    recursive: Annotated[bool, typer.Option("--recursive", help="Also send what is deeper in a directory.")] = False,
    chunk_type: Annotated[
        ChunkType | None, typer.Option(help="Unit of --chunk-size (default: CHUNK_TYPE of the uploader).")
    ] = None,
    chunk_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Size in MiB, rows, or number of chunks (default: CHUNK_SIZE_MB or CHUNK_ROWS of the uploader)."
        ),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP)] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding that the bytes must be valid in (default: all bytes are accepted).")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Refuse rows with another number of fields than the header.")] = True,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Accept rows whose surplus fields are all empty (1,2,,).")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key that makes a repeated upload of one file return the first one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every chunk has landed.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --wait, for all files together.")] = 1800.0,
    retry_for: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds to keep trying without progress if the uploader does not answer, is busy or limits the key.",
        ),
    ] = RETRY_FOR_S,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Send CSV files, and with --wait, wait until they have landed.

    Each file becomes an upload of its own. A directory stands for its files .csv and .tsv, also with .gz or .zst. If
    the connection breaks or the uploader restarts, the command resumes after the last byte that the uploader has. If
    the command is stopped, run it again: it resumes, unless the file has changed. The SHA-256 of the sent bytes is
    compared with the uploader's.

    Prints the ids of the uploads on stdout before it waits, or with --json, what the uploader has accepted. If a file
    is refused, the others are still sent.
    """
    if lenient and not strict:
        raise typer.BadParameter("--no-strict accepts more rows: choose one of the two", param_hint="--lenient")
    strictness = Strictness.LENIENT if lenient else Strictness.STRICT if strict else Strictness.OFF
    fields = {"dataset_name": dataset, "strict": strictness.value}
    optional = {"chunk_type": chunk_type, "chunk_size": chunk_size, "delimiter": delimiter, "encoding": encoding}
    fields |= {name: str(value) for name, value in optional.items() if value is not None}
    paths = select_files(files, recursive=recursive)
    if idempotency_key is not None and len(paths) > 1:
        raise typer.BadParameter("a key is for one file", param_hint="--idempotency-key")
    options = SendOptions(fields=fields, idempotency_key=idempotency_key, retry_for_s=retry_for)
    with open_uploader(url=url, profile=profile) as client, stopping_on_signals():
        results = _send(client, paths, options)
        errors = [result.error for result in results if result.error is not None]
        _print_results(results, as_json=as_json)
        if wait:
            errors += _wait(client, results, timeout_s=timeout)
    _exit(results, errors)


def send(
    client: UploaderClient, path: Path, *, fields: dict[str, str], retry_for_s: float = RETRY_FOR_S
) -> UploadAccepted:
    """Send the file at ``path`` with a progress bar, and say what the uploader made of it.

    Raises:
        CsvPipeError: see :meth:`Sender.send`.
    """
    options = SendOptions(fields=fields, retry_for_s=retry_for_s)
    with stopping_on_signals():
        (result,) = _send(client, [path], options)
    if result.accepted is None:
        assert result.error is not None  # noqa: S101  the only file is not skipped
        raise result.error
    return result.accepted


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let TERM and INT end the command in the same way, as long as the context lasts. Main thread only."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(client: UploaderClient, paths: Sequence[Path], options: SendOptions) -> list[FileResult]:
    sender = Sender(client, _saved_uploads(), options)
    several = len(paths) > 1
    try:
        with UploadBars(paths) as bars:

            def send_one(path: Path) -> UploadAccepted:
                view = bars.file(path)
                try:
                    accepted = sender.send(path, view)
                finally:
                    view.finish()
                _describe(accepted, path if several else None)
                return accepted

            results = send_all(paths, send=send_one, on_error=_report if several else lambda _path, _error: None)
    except KeyboardInterrupt:
        what_to_do = (
            "standard input has to be sent from its beginning"
            if STDIN in paths
            else "run the same command again to continue"
        )
        raise UploadStoppedError(f"the uploader keeps what it has; {what_to_do}") from None
    if all(result.accepted is not None for result in results):
        sender.forget_done()
    return results


def _saved_uploads() -> SavedUploads:
    try:
        return SavedUploads(state_directory())
    except (OSError, RuntimeError) as error:
        messages().print(f"{NOT_SAVED}: {shown(error)}")
        return SavedUploads(None)


def _describe(accepted: UploadAccepted, path: Path | None) -> None:
    """Say on stderr what the uploader made of the file."""
    name = "" if path is None else f"{shown(path)}: "
    rows, chunks = counted(accepted.row_count, "row"), counted(accepted.total_chunks, "chunk")
    messages().print(f"{name}{rows}, {format_bytes(accepted.size_bytes)}, sha256 {shown(accepted.sha256)}")
    if (deviations := accepted.accepted_deviations) is not None:
        surplus = counted(deviations.surplus_empty_cells, "row")
        blank = counted(deviations.blank_last_lines, "blank line")
        messages().print(f"{name}accepted: {surplus} with surplus empty cells, {blank} at the end")
    messages().print(f"{name}{chunks}, {shown(accepted.status)}; follow it at {shown(accepted.tracking_url)}")


def _report(path: Path, error: CsvPipeError) -> None:
    messages().print(f"{shown(path)}: {shown(error.title)}: {shown(error.detail)}")


def _print_results(results: list[FileResult], *, as_json: bool) -> None:
    if as_json:
        print_json({"uploads": [result.document() for result in results]})
        return
    for result in results:
        if result.accepted is not None:
            output().print(shown(result.accepted.upload_id))


def _wait(client: UploaderClient, results: list[FileResult], *, timeout_s: float) -> list[CsvPipeError]:
    """Wait until all that was accepted has landed, and return the errors of what has not."""
    deadline_s = time.monotonic() + timeout_s
    errors = []
    for result in results:
        if result.accepted is None:
            continue
        left_s = max(deadline_s - time.monotonic(), 0.0)
        try:
            doing = f"{result.path.name}: landing" if len(results) > 1 else "landing"
            wait_until_landed(
                client, result.accepted.upload_id, timeout_s=left_s, console=messages(), description=doing
            )
        except KeyboardInterrupt:
            raise UploadStoppedError(
                f"the upload goes on without this command; follow it with: csvpipe status {result.accepted.upload_id}"
            ) from None
        except CsvPipeError as error:
            errors.append(error)
            if len(results) > 1:
                _report(result.path, error)
    return errors


def _exit(results: list[FileResult], errors: list[CsvPipeError]) -> None:
    """Raise the error of the only file, or sum up several files.

    Raises:
        typer.Exit: with the worst exit code of several files.
    """
    if len(results) == 1:
        for error in errors:
            raise error
        return
    sent = [result for result in results if result.accepted is not None]
    size = format_bytes(sum(result.accepted.size_bytes for result in sent if result.accepted))
    failed = sum(result.error is not None for result in results)
    skipped = len(results) - len(sent) - failed
    counts = f"{len(sent)} of {counted(len(results), 'file')} uploaded ({size})"
    counts += f", {failed} failed" if failed else ""
    counts += f", {skipped} not sent" if skipped else ""
    messages().print(counts)
    if len(sent) < len(results):
        messages().print(
            "When the cause is removed, the same command sends what is missing; what was accepted is not sent again."
        )
    code = worst_exit_code(errors)
    if code is not ExitCode.OK:
        raise typer.Exit(code)
