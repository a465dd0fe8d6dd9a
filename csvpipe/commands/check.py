"""``csvpipe check``: what is in a CSV, what is wrong with it, and which readers will misread it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from contracts.exit_codes import ExitCode
from contracts.number_text import counted, format_count
from csvpipe.check.checking import check_source
from csvpipe.check.report import CheckReport, Reader
from csvpipe.check.source import open_checked
from csvpipe.console import byte_progress, format_bytes, messages, output, print_table, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.json_output import JsonOption, print_json
from csvpipe.option_names import in_options
from csvpipe.settings import load_settings
from csvscan import (
    MOST_FAULTS,
    UNKNOWN_8BIT,
    UTF_16,
    ContentCheck,
    DelimiterError,
    Strictness,
    UnsupportedEncodingError,
    check_encoding,
    parse_delimiter,
)
from uploader.ingest.content.csv_errors import hint_for

_READERS = ", ".join(Reader)


def command(
    *,
    source: Annotated[str, typer.Argument(help="File, '-' for standard input, https:// or s3://bucket/key.")],
    readers: Annotated[
        list[str] | None, typer.Option("--for", help=f"Name what these readers will misread: {_READERS}.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP)] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding that the bytes must be valid in (default: all bytes are accepted).")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Report rows with another number of fields than the header.")] = True,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Do not report rows whose surplus fields are all empty (1,2,,).")
    ] = False,
    faults: Annotated[int, typer.Option(min=1, max=100_000, help="Number of faults to describe.")] = MOST_FAULTS,
    as_json: JsonOption = False,
) -> None:
    """Check a CSV from its first to its last byte, without any service.

    Prints delimiter, encoding, columns, rows and faults. Exit code 65: there are faults.
    """
    wanted = _parse_readers(readers or [])
    check = _new_check(delimiter, encoding, _strictness(strict=strict, lenient=lenient), faults)
    with open_checked(source, settings=load_settings) as opened, byte_progress(messages()) as bar:
        task = bar.add_task(f"checking {shown(source)}", total=opened.size_bytes)
        report = check_source(opened, check, readers=wanted, on_bytes=lambda count: bar.advance(task, count))
    if as_json:
        print_json(report)
    else:
        _print(report)
    if not report.is_valid:
        raise typer.Exit(ExitCode.INVALID_INPUT)


def _parse_readers(given: list[str]) -> list[Reader]:
    """Return the readers in the order of first mention; an option may name several, separated by commas."""
    names = [name.strip().lower() for text in given for name in text.split(",")]
    unknown = next((name for name in names if name not in list(Reader)), None)
    if unknown is not None:
        raise typer.BadParameter(f"{unknown!r} is not one of {_READERS}", param_hint="--for")
    return [Reader(name) for name in dict.fromkeys(names)]


def _strictness(*, strict: bool, lenient: bool) -> Strictness:
    if lenient and not strict:
        raise typer.BadParameter("--no-strict accepts more rows: choose one of the two", param_hint="--lenient")
    if lenient:
        return Strictness.LENIENT
    return Strictness.STRICT if strict else Strictness.OFF


def _new_check(delimiter: str | None, encoding: str | None, strictness: Strictness, faults: int) -> ContentCheck:
    try:
        parsed = parse_delimiter(delimiter or "")
    except DelimiterError as error:
        raise typer.BadParameter(str(error), param_hint="--delimiter") from error
    try:
        name = _parse_encoding(encoding)
    except UnsupportedEncodingError as error:
        raise typer.BadParameter(str(error), param_hint="--encoding") from error
    return ContentCheck(delimiter=parsed, encoding=name, strictness=strictness, most_faults=faults)


def _parse_encoding(given: str | None) -> str | None:
    if given is None:
        return None
    return given.lower() if given.lower() in UTF_16 else check_encoding(given)


def _print(report: CheckReport) -> None:
    if report.headers is not None:
        print_table(_summary(report))
    if report.findings:
        print_table(_findings(report))
    if report.faults:
        print_table(_faults(report))
        for kind in report.fault_counts:
            if hint := in_options(hint_for(kind, delimiter=report.delimiter)):
                output().print(f"{kind}: {shown(hint)}")
    total = sum(report.fault_counts.values())
    if report.is_valid:
        output().print(f"[green]VALID[/] {shown(report.source)}")
        return
    kinds = ", ".join(f"{format_count(number)} {kind}" for kind, number in report.fault_counts.items())
    more = f"; the first {len(report.faults)} are listed (--faults)" if total > len(report.faults) else ""
    output().print(f"[red]INVALID[/] {shown(report.source)}: {counted(total, 'fault')} ({kinds}){more}")


def _summary(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    names = report.headers or []
    rows = {
        "rows": format_count(report.row_count or 0),
        "columns": f"{len(names)}: {', '.join(names)}",
        "delimiter": repr(report.delimiter),
        "encoding": f"{report.encoding}{_remark_on_encoding(report)}",
        "line ends": _line_ends(report),
        "size": f"{format_bytes(report.source_bytes)}{f' of {report.compression}' if report.compression else ''}",
    }
    if (deviations := report.accepted_deviations) is not None:
        surplus = counted(deviations.surplus_empty_cells, "row")
        blank = counted(deviations.blank_last_lines, "blank line")
        rows["accepted"] = f"{surplus} with surplus empty cells, {blank} at the end"
    for name, value in rows.items():
        table.add_row(name, shown(value))
    return table


def _remark_on_encoding(report: CheckReport) -> str:
    if report.encoding == UNKNOWN_8BIT:
        return " (not UTF-8; name the encoding with --encoding)"
    return " with a byte order mark" if report.has_bom else ""


def _line_ends(report: CheckReport) -> str:
    counts = {} if report.line_ends is None else report.line_ends.model_dump()
    return ", ".join(f"{format_count(number)} {kind.upper()}" for kind, number in counts.items() if number) or "none"


def _findings(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("reader", "rule", "count", "effect", "remedy"):
        table.add_column(name, justify="right" if name == "count" else "left")
    for found in report.findings:
        rule = found.rule.replace("_", " ")
        table.add_row(found.reader, rule, format_count(found.count), shown(found.effect), shown(found.remedy))
    return table


def _faults(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("row", "byte", "fault", "expected", "found", "hint"):
        table.add_column(name, justify="right" if name in {"row", "byte"} else "left")
    for fault in report.faults:
        place = "header" if fault.row == 0 else format_count(fault.row)
        table.add_row(
            place, str(fault.byte), fault.reason, shown(fault.expected), shown(fault.found), shown(fault.hint)
        )
    return table
