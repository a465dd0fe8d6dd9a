"""``csvpipe nifi``: the flow in NiFi. Deploy it, export it, see how it does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from contracts.exit_codes import ExitCode
from contracts.number_text import format_count
from csvpipe.console import format_bytes, output, print_table
from csvpipe.json_output import JsonOption, print_json
from csvpipe.local_stack import LocalNiFi, local_nifi
from nifi.definition import FLOW_FILE
from nifi.deploy import deploy as deploy_flow
from nifi.environment import load_environment
from nifi.export import export as export_flow
from nifi.listen_tls import LISTEN_TLS, ListenTls, tls_parameters
from nifi.status import FlowStatus
from nifi.status import status as flow_status

app = typer.Typer(no_args_is_help=True, help="Deploy, export and inspect the NiFi flow.")

Environment = Annotated[str, typer.Option("--environment", "-e", help="Name of a file in nifi/parameters.")]
Url = Annotated[
    str | None, typer.Option(help="Address of NiFi, such as http://127.0.0.1:8081 (default: that of the environment).")
]
FlowPath = Annotated[Path, typer.Option("--flow", help="File of the flow definition.", show_default=False)]


@app.command()
def deploy(
    *,
    environment: Environment = "local",
    url: Url = None,
    flow: FlowPath = FLOW_FILE,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter. Repeatable.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate chain of ListenHTTP. Turns mutual TLS on.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Private key of that certificate.")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Authorities that issue the client certificates.")
    ] = None,
    tls_authorized_subject: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX", help="The whole subject of an authorized client certificate, such as 'CN=airflow,O=.*'."
        ),
    ] = None,
    no_tls: Annotated[bool, typer.Option("--no-tls", help="Turn TLS of ListenHTTP off again.")] = False,
) -> None:
    """Deploy the flow of this checkout to NiFi. Safe to repeat.

    Parameters that are given nowhere keep the value that NiFi has, also those of TLS. Secrets come from environment
    variables (see nifi/parameters). Fails when a processor is invalid or a parameter has no value.
    """
    console = output()
    tls = tls_parameters(certificate=tls_certificate, key=tls_key, ca=tls_ca, authorized_subject=tls_authorized_subject)
    if no_tls and tls:
        raise typer.BadParameter("--no-tls excludes the other options of TLS")
    if no_tls:
        tls = {LISTEN_TLS: ListenTls.NONE.value}
    local = _local(environment, url)
    deploy_flow(
        url=local.url if local else url,
        environment=environment,
        parameters={**(local.parameters if local else {}), **tls, **_assigned(assignments or [])},
        flow_file=flow,
        access=local.access if local else None,
        report=console.print,
    )
    console.print("the flow runs")


@app.command()
def export(
    environment: Environment = "local", url: Url = None, flow: FlowPath = FLOW_FILE, as_json: JsonOption = False
) -> None:
    """Export the current flow of NiFi to the flow definition of this checkout."""
    local = _local(environment, url)
    changes = export_flow(
        url=local.url if local else url or load_environment(environment).url,
        flow_file=flow,
        access=local.access if local else None,
    )
    if as_json:
        print_json({"file": str(flow), "changes": list(changes)})
        return
    for change in changes:
        output().print(change)
    output().print(f"{flow}: {'written' if changes else 'no change'}")


@app.command()
def status(
    environment: Environment = "local", url: Url = None, flow: FlowPath = FLOW_FILE, as_json: JsonOption = False
) -> None:
    """Show whether the flow runs, what waits in it, and which S3 NAR it uses. Exit code 1 when something is wrong."""
    local = _local(environment, url)
    found = flow_status(
        url=local.url if local else url or load_environment(environment).url,
        flow_file=flow,
        access=local.access if local else None,
    )
    if as_json:
        print_json({**asdict(found), "faults": found.faults})
    else:
        _show(found)
    raise typer.Exit(ExitCode.CHECK_FAILED if found.faults else ExitCode.OK)


def _show(found: FlowStatus) -> None:
    console = output()
    running = sum(processor.state == "RUNNING" for processor in found.processors)
    invalid = sum(processor.validation == "INVALID" for processor in found.processors)
    console.print(f"NiFi {found.version} at {found.url}")
    console.print(f"processors  {running} of {len(found.processors)} running, {invalid} invalid")
    console.print(f"S3 NAR      {found.s3_nar}")
    console.print(f"ListenHTTP  {_describe_listener(found)}")
    console.print(f"queued      {format_count(found.queued_count)}")
    if found.queues:
        table = Table(box=None, pad_edge=False)
        for name in ("from", "to", "count", "size"):
            table.add_column(name, justify="right" if name in {"count", "size"} else "left")
        for queue in found.queues:
            table.add_row(queue.source, queue.destination, format_count(queue.count), format_bytes(queue.size_bytes))
        print_table(table)
    for change in found.changes:
        console.print(f"differs from the flow definition: {change}")
    if not found.properties_compared:
        console.print(
            "properties were not compared: the flow definition is of another NiFi. csvpipe nifi deploy compares them"
        )
    for fault in found.faults:
        console.print(f"[red]{fault}[/]")


def _describe_listener(found: FlowStatus) -> str:
    if found.listen_tls is ListenTls.NONE:
        return "no TLS: everyone who reaches the port may post"
    return f"TLS, for clients with a certificate whose subject matches {found.authorized_subject}"


def _local(environment: str, url: str | None) -> LocalNiFi | None:
    """Return the local stack's NiFi, if it runs and neither an address nor another environment is given."""
    return local_nifi() if environment == "local" and url is None else None


def _assigned(assignments: list[str]) -> dict[str, str]:
    pairs = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set must be NAME=VALUE, got {assignment!r}")
        pairs[name] = value
    return pairs
