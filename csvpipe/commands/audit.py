"""``csvpipe audit``: who did what, and whether the records of it are complete and unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from contracts.audit import MAX_PAGE, AuditAction, AuditChainPage, AuditHead, AuditRecord
from contracts.number_text import counted, format_count
from contracts.printable import printable, printable_json
from csvpipe.audit.chain_check import ChainCheck, ChainReport
from csvpipe.audit.chain_source import ChainSource, open_database
from csvpipe.client import UploaderClient
from csvpipe.console import format_bytes, messages, output, print_table, record_progress, shown
from csvpipe.errors import CommandError
from csvpipe.json_output import JsonOption, print_json
from csvpipe.service import ProfileOption, UrlOption, open_uploader

app = typer.Typer(no_args_is_help=True, help="List audit records, and verify that none was changed.")
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_ANCHOR = re.compile(r"(?P<replica>[A-Za-z0-9_.-]{1,128}):(?P<sequence>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")


class AuditNotIntactError(CommandError):
    """An audit chain is broken: somebody has changed, removed or inserted records."""

    code = "audit_not_intact"
    title = "Audit records changed"


@app.command("list")
def list_records(
    *,
    since: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Only records of this time or later.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Only records before this time.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only records of this API key: its name or its id.")] = None,
    action: Annotated[AuditAction | None, typer.Option(help="Only records of this action.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only records of uploads of this dataset.")] = None,
    upload: Annotated[str | None, typer.Option(help="Only records of this upload.")] = None,
    outcome: Annotated[str | None, typer.Option(help="done, or the error code of refusals.")] = None,
    replica: Annotated[str | None, typer.Option(help="Only records that this replica wrote.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of records; 0 for all.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print each record as a line of JSON.")] = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """List audit records, the newest first. Times without an offset are in UTC. Needs a key with permission admin.

    With --limit 0 --json this is the way to export records for an archive.
    """
    given = {
        "since": _in_utc(since),
        "until": _in_utc(until),
        "actor": actor,
        "action": None if action is None else action.value,
        "dataset": dataset,
        "upload_id": upload,
        "outcome": outcome,
        "replica": replica,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    with open_uploader(url=url, profile=profile) as client:
        records = _records(client, filters, limit=limit)
        if as_json:
            for record in records:
                print(printable_json(record.model_dump_json()))
        else:
            print_table(_table(records))


@app.command()
def verify(
    *,
    database: Annotated[
        bool, typer.Option("--database", help="Read the database of the uploader's settings, not the API.")
    ] = False,
    anchors: Annotated[
        list[str] | None,
        typer.Option("--anchor", metavar="REPLICA:SEQUENCE:HASH", help="Head of an earlier verification. Repeatable."),
    ] = None,
    archived: Annotated[
        list[str] | None,
        typer.Option(
            "--archived",
            metavar="REPLICA:SEQUENCE:HASH",
            help="Last archived record of a replica: it and those before it may be absent. Repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Verify that no audit record was altered, deleted, swapped or inserted.

    Checks the hash of every record, its link to the one before, and the head of every chain. Exit code 1: a chain is
    broken; the replica and the sequence numbers are printed.

    Who can write the database can write a whole chain anew, or remove it. Only an anchor shows this: keep the printed
    heads elsewhere, and pass them with --anchor.
    """
    known = [_read_anchor(text, "--anchor") for text in anchors or []]
    absent = {head.replica: head for head in (_read_anchor(text, "--archived") for text in archived or [])}
    if len(absent) < len(archived or []):
        raise typer.BadParameter("must be given once for each replica", param_hint="--archived")
    source = open_database() if database else open_uploader(url=url, profile=profile)
    with source as chains:
        reports = _verify(chains, known, absent)
    if as_json:
        print_json({"chains": [_document(report) for report in reports]})
    else:
        _print(reports)
    broken = [report.replica for report in reports if report.fault_count]
    if broken:
        faults = counted(sum(report.fault_count for report in reports), "fault")
        raise AuditNotIntactError(f"{faults} in the audit records of {printable(', '.join(broken))}")


def _records(client: UploaderClient, filters: dict[str, str], *, limit: int) -> Iterator[AuditRecord]:
    left, cursor = limit, None
    while True:
        size = MAX_PAGE if limit == 0 else min(left, MAX_PAGE)
        page = client.audit_page({**filters, "limit": size, **({} if cursor is None else {"cursor": cursor})})
        yield from page.records
        left, cursor = left - len(page.records), page.next_cursor
        if cursor is None or (limit and left <= 0):
            return


def _verify(chains: ChainSource, anchors: list[AuditHead], archived: dict[str, AuditHead]) -> list[ChainReport]:
    replicas = sorted({*chains.audit_replicas(), *(anchor.replica for anchor in anchors), *archived})
    with record_progress(messages()) as progress:
        return [
            _verify_chain(
                chains,
                ChainCheck(
                    replica,
                    anchors=[anchor for anchor in anchors if anchor.replica == replica],
                    archived=archived.get(replica),
                ),
                progress,
            )
            for replica in replicas
        ]


def _verify_chain(chains: ChainSource, check: ChainCheck, progress: Progress) -> ChainReport:
    replica = check.report.replica
    task = progress.add_task(f"records of {shown(replica)}", total=None)

    def read_page(after: int | None) -> AuditChainPage:
        return chains.audit_chain(replica, after=after)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return check.run(read_page, on_progress=show)


def _table(records: Iterator[AuditRecord]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("time (UTC)", "actor", "key", "address", "action", "outcome", "dataset", "size", "upload", "detail"):
        table.add_column(name, justify="right" if name == "size" else "left")
    for record in records:
        table.add_row(
            f"{record.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            shown(record.actor),
            shown(record.key_id or ""),
            shown(record.address),
            shown(record.action),
            shown(record.outcome),
            shown(record.dataset or ""),
            "" if record.size_bytes is None else format_bytes(record.size_bytes),
            shown(record.upload_id or ""),
            shown(record.detail),
        )
    return table


def _print(reports: list[ChainReport]) -> None:
    console = output()
    for report in reports:
        result = "intact" if not report.fault_count else f"BROKEN: {counted(report.fault_count, 'fault')}"
        console.print(f"{printable(report.replica)}: {counted(report.records, 'record')}, {result}", markup=False)
        for fault in report.faults:
            console.print(f"  record {format_count(fault.sequence)} {fault.text} [{fault.kind}]", markup=False)
        if report.head is not None:
            console.print(f"  anchor {_anchor_text(report.head)}", markup=False)
    if not reports:
        console.print("there are no audit records")


def _document(report: ChainReport) -> dict[str, object]:
    return {
        "replica": report.replica,
        "intact": report.fault_count == 0,
        "records": report.records,
        "anchor": None if report.head is None else _anchor_text(report.head),
        "fault_count": report.fault_count,
        "faults": [
            {"sequence": fault.sequence, "kind": fault.kind.value, "text": fault.text} for fault in report.faults
        ],
    }


def _anchor_text(head: AuditHead) -> str:
    return printable(f"{head.replica}:{head.sequence}:{head.hash}")


def _read_anchor(text: str, option: str) -> AuditHead:
    found = _ANCHOR.fullmatch(text)
    if found is None:
        raise typer.BadParameter(
            f"must be REPLICA:SEQUENCE:HASH as printed by audit verify, got {text!r}", param_hint=option
        )
    return AuditHead(replica=found["replica"], sequence=int(found["sequence"]), hash=found["hash"])


def _in_utc(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
