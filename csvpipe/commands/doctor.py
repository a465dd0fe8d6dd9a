"""``csvpipe doctor``: ask every service whether it can be used from here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from contracts.exit_codes import ExitCode
from csvpipe.console import messages, output, print_table, shown
from csvpipe.doctor.airflow_check import check_airflow
from csvpipe.doctor.bucket_check import check_bucket
from csvpipe.doctor.checkup import run_checks
from csvpipe.doctor.disk_check import check_disk
from csvpipe.doctor.finding import Check, Diagnosis, Verdict
from csvpipe.doctor.kafka_check import check_kafka_of_sequencer, check_kafka_of_uploader
from csvpipe.doctor.nifi_check import check_nifi
from csvpipe.doctor.uploader_check import check_uploader
from csvpipe.doctor.variables import load_variables
from csvpipe.json_output import JsonOption, print_json
from csvpipe.service import ProfileOption, UrlOption, client_of
from csvpipe.settings import load_settings

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red", Verdict.SKIPPED: "dim"}
_CLIENT_SHARE = 0.8
"""Share of the time that a client waits for a response: its own error says more than the end of the time."""


def command(
    *,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all checks, which run side by side.")] = 20.0,
    nifi_url: Annotated[
        str | None, typer.Option(help="Address of NiFi, such as https://nifi:8443 (default: that of the local stack).")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Ask every service whether it is reachable from here, permits what it should, and has the right version.

    Checks the uploader, the bucket, Kafka, NiFi, Airflow and the disk, with clocks and certificates. A service without
    settings here is skipped. Nothing is changed. Exit code 0: no check failed; there may be warnings. 1: one failed.
    """
    settings, variables = load_settings(csvpipe_url=url, csvpipe_profile=profile), load_variables()
    client_timeout_s = timeout * _CLIENT_SHARE
    checks = [
        Check("uploader", lambda: check_uploader(settings, client_of)),
        Check("bucket", lambda: check_bucket(settings)),
        Check("Kafka (uploader)", lambda: check_kafka_of_uploader(variables, timeout_s=client_timeout_s)),
        Check("Kafka (sequencer)", lambda: check_kafka_of_sequencer(variables)),
        Check("NiFi", lambda: check_nifi(nifi_url)),
        Check("Airflow", lambda: check_airflow(variables, timeout_s=client_timeout_s)),
        Check("disk", lambda: check_disk(variables)),
    ]
    with messages().status("asking the services"):
        found = run_checks(checks, timeout_s=timeout)
    has_failed = any(each.has_failed for each in found)
    if as_json:
        print_json({"ok": not has_failed, "services": [asdict(each) for each in found]})
    else:
        _print(found)
    raise typer.Exit(ExitCode.CHECK_FAILED if has_failed else ExitCode.OK)


def _print(found: list[Diagnosis]) -> None:
    table = Table("service", "check", "result", "", box=None, pad_edge=False)
    for diagnosis in found:
        for finding in diagnosis.findings:
            verdict = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
            table.add_row(diagnosis.service, shown(finding.subject), verdict, shown(finding.text))
    print_table(table)
    advice = [
        f"{each.service}, {finding.subject}: {finding.advice}"
        for each in found
        for finding in each.findings
        if finding.advice
    ]
    if advice:
        output().print()
    for line in advice:
        output().print(f"- {line}", markup=False)
