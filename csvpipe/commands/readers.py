"""``csvpipe readers``: how other programs read the objects of an upload."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.printable import printable
from contracts.reading import Reader, Readers
from csvpipe.console import messages
from csvpipe.json_output import JsonOption, print_json
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload_id import check_upload_id

_NAMES = ("duckdb", "polars", "spark", "trino")


def command(
    *,
    upload_id: Annotated[str, typer.Argument(help="Id of the upload, as printed by csvpipe upload.")],
    program: Annotated[
        str | None, typer.Option("--for", help=f"Only the statement of one program: {', '.join(_NAMES)}.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Print statements of DuckDB, Polars, Spark and Trino that read the objects of an upload.

    Replace ACCESS_KEY and SECRET_KEY by your own. What a program misreads is printed to stderr.
    """
    check_upload_id(upload_id)
    wanted = None if program is None else program.lower()
    if wanted is not None and wanted not in _NAMES:
        raise typer.BadParameter(f"{wanted!r} is not one of {', '.join(_NAMES)}", param_hint="--for")
    with open_uploader(url=url, profile=profile) as client:
        found = client.readers(upload_id)
    chosen = [reader for reader in found.readers if wanted in {None, reader.name.lower()}]
    if as_json:
        print_json(Readers(readers=chosen, notes=found.notes))
        return
    for note in found.notes:
        _remark(note)
    for reader in chosen:
        _print(reader, with_name=wanted is None)


def _print(reader: Reader, *, with_name: bool) -> None:
    """Print a statement so that it can be piped into the program."""
    if with_name:
        print(f"{'--' if reader.language == 'sql' else '#'} {reader.name}")
    print(printable(reader.statement.rstrip(), keep_line_ends=True), flush=True)
    if with_name:
        print(flush=True)
    for note in reader.notes:
        _remark(f"{reader.name}: {note}")


def _remark(text: str) -> None:
    messages().print(f"note: {printable(text)}", markup=False)
