"""The check of NiFi: reachable, of the version of the flow, and the flow works."""

from __future__ import annotations

from importlib.util import find_spec

from csvpipe.doctor.certificate import check_certificate
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.local_stack import local_nifi


def check_nifi(url: str | None) -> Findings:
    """Give the status of the flow in the NiFi at ``url``, or in that of the local stack.

    Raises:
        CsvPipeError: NiFi does not answer, refuses this client, or has no such flow.
    """
    local = local_nifi() if url is None else None
    address = local.url if local else url
    if address is None:
        yield Finding("settings", Verdict.SKIPPED, "no --nifi-url, and no local stack runs")
        return
    if find_spec("nipyapi") is None:
        yield Finding("package", Verdict.SKIPPED, "pip install 'csvpipe[nifi]' makes this check possible")
        return
    from nifi.connection import Access
    from nifi.status import status

    access = local.access if local else Access.from_environment()
    found = status(url=address, access=access)
    yield Finding("address", Verdict.OK, f"{found.url} answers")
    yield from check_certificate(found.url, ca_file=access.ca_file, ca_setting="NIFI_CA_FILE")
    if found.properties_compared:
        yield Finding("version", Verdict.OK, f"NiFi {found.version}, as the flow definition")
    else:
        text = f"NiFi {found.version}; the flow definition is of another version"
        yield Finding("version", Verdict.WARNING, text, "csvpipe nifi deploy compares and migrates the flow")
    for fault in found.faults:
        yield Finding("flow", Verdict.FAILED, fault, "csvpipe nifi status, then csvpipe nifi deploy")
    for change in found.changes:
        yield Finding("flow", Verdict.WARNING, f"differs from the flow definition: {change}", "csvpipe nifi deploy")
    if not found.faults:
        yield Finding("flow", Verdict.OK, "runs")
