"""Deployments to a real NiFi: repeated, with changes, and refused ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from csvpipe.commands.nifi import app
from nifi.definition import FLOW_FILE, KEPT_AT_DEFAULT, Json, context_parameters, load_flow
from nifi.errors import (
    InvalidFlowError,
    MissingParameterError,
    NiFiApiError,
    NiFiUnreachableError,
    NotDeployedError,
    UnknownParameterError,
)
from nifi.export import export
from nifi.status import status
from stack.ports import free_ports
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import NiFiServer
from tests.support.waiting import wait_until

Edit = Callable[[Json], None]
PUT = "Put the object"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], Path]:
    """Return a function that writes an edited flow definition."""

    def write(edit: Edit) -> Path:
        flow = load_flow()
        edit(flow)
        path = tmp_path / "flow.json"
        path.write_text(json.dumps(flow))
        return path

    return write


@pytest.fixture
def restored(nifi: NiFiServer) -> Iterator[NiFiServer]:
    """Return NiFi, and deploy the flow of this checkout again afterwards."""
    try:
        yield nifi
    finally:
        nifi.deploy()


@pytest.fixture
def waiting_chunk(restored: NiFiServer, source: FakeChunkSource) -> Iterator[Callable[[], bytes]]:
    """Return a function that waits for a chunk to land. Until it is called, the chunk is queued and S3 is stopped."""
    message = source.offer(b"id\r\n1\r\n", dataset="waiting")
    restored.minio.stop()

    def land() -> bytes:
        restored.minio.start()
        return restored.wait_landed(message)

    try:
        restored.send(message)
        restored.wait_queued(PUT, 1)
        yield land
    finally:
        restored.minio.start()


def _processor(flow: Json, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(p for p in flow["flowContents"]["processors"] if p["name"] == name)
    return found


def test_second_deployment_changes_nothing(nifi: NiFiServer) -> None:
    nifi.deploy()
    lines: list[str] = []

    deployment = nifi.deploy(report=lines.append)

    assert not deployment.changed
    assert lines[-1] == "nothing to change"
    assert nifi.status().faults == []


def test_omitted_parameters_keep_their_values(
    nifi: NiFiServer, source: FakeChunkSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    given = nifi.parameters()
    without_secrets = {name: value for name, value in given.items() if name not in {"s3.access.key", "s3.secret.key"}}

    deployment = nifi.deploy(parameters=without_secrets)

    assert not deployment.changed
    message = source.offer(b"id\r\n1\r\n", dataset="kept")
    nifi.send(message)
    assert nifi.wait_landed(message) == b"id\r\n1\r\n"


def test_given_parameter_changes_only_its_value(restored: NiFiServer) -> None:
    given = restored.parameters()

    deployment = restored.deploy(parameters={**given, "source.mismatch.retries": "7"})

    assert deployment.parameters_set == ("source.mismatch.retries",)
    context = restored.client().find_context("csv-ingestion")
    assert context is not None
    assert context.parameters["source.mismatch.retries"].value == "7"
    assert context.parameters["s3.endpoint"].value == given["s3.endpoint"]
    assert context.parameters["s3.secret.key"].value == "********"


def test_only_a_new_secret_is_a_change(restored: NiFiServer) -> None:
    given = restored.parameters()

    assert restored.deploy(parameters={**given, "s3.secret.key": "another"}).parameters_set == (
        "s3.access.key",
        "s3.secret.key",
    )
    assert not restored.deploy(parameters={**given, "s3.secret.key": "another"}).changed


def test_missing_secret_is_named_before_anything_changes(
    nifi: NiFiServer, edited: Callable[[Edit], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)

    def another_context(flow: Json) -> None:
        flow["flowContents"].update(name="another", parameterContextName="another")
        flow["parameterContexts"]["another"] = {**flow["parameterContexts"].pop("csv-ingestion"), "name": "another"}

    with pytest.raises(MissingParameterError, match=r"s3\.secret\.key .*AWS_SECRET_ACCESS_KEY"):
        nifi.deploy(flow_file=edited(another_context), parameters={})

    assert nifi.client().find_group("another") is None
    assert nifi.client().find_context("another") is None


def test_unknown_parameter_is_refused(nifi: NiFiServer) -> None:
    with pytest.raises(UnknownParameterError, match=r"s3\.bukket"):
        nifi.deploy(parameters={"s3.bukket": "raw"})


def test_invalid_processor_fails_with_its_name_and_reason(restored: NiFiServer, edited: Callable[[Edit], Path]) -> None:
    def spoil(flow: Json) -> None:
        _processor(flow, PUT)["properties"]["Multipart Part Size"] = "1 MB"

    with pytest.raises(InvalidFlowError, match=f"{PUT}.*Multipart Part Size"):
        restored.deploy(flow_file=edited(spoil))

    assert any(PUT in fault for fault in restored.status().faults)


def test_flow_is_updated_while_a_chunk_is_queued(
    restored: NiFiServer, waiting_chunk: Callable[[], bytes], edited: Callable[[Edit], Path]
) -> None:
    def change(flow: Json) -> None:
        _processor(flow, PUT)["properties"]["Multipart Part Size"] = "64 MB"

    deployment = restored.deploy(flow_file=edited(change))

    assert deployment.flow_changes == (f"processor {PUT!r}: Multipart Part Size",)
    restored.wait_queued(PUT, 1)
    assert waiting_chunk() == b"id\r\n1\r\n"


def test_flow_of_another_version_is_compared_by_import(restored: NiFiServer, edited: Callable[[Edit], Path]) -> None:
    def of_another_version(flow: Json) -> None:
        for component in (*flow["flowContents"]["processors"], *flow["flowContents"]["controllerServices"]):
            component["bundle"]["version"] = "2.2.0"
        _processor(flow, PUT)["properties"]["Multipart Part Size"] = "64 MB"

    path = edited(of_another_version)

    assert restored.deploy(flow_file=path).flow_changes == (f"processor {PUT!r}: Multipart Part Size",)
    assert not restored.deploy(flow_file=path).changed
    answer = httpx.get(f"{restored.url}/nifi-api/process-groups/root/process-groups", trust_env=False)
    assert [group["component"]["name"] for group in answer.json()["processGroups"]] == ["csv-ingestion-raw-to-minio"]


def test_flow_that_would_drop_a_queued_chunk_is_refused(
    restored: NiFiServer, waiting_chunk: Callable[[], bytes], edited: Callable[[Edit], Path]
) -> None:
    def cut_off(flow: Json) -> None:
        contents = flow["flowContents"]
        contents["connections"] = [c for c in contents["connections"] if c["destination"]["name"] != PUT]
        _processor(flow, "Name the object")["autoTerminatedRelationships"] = ["success"]

    with pytest.raises(NiFiApiError, match="queue"):
        restored.deploy(flow_file=edited(cut_off))

    restored.wait_queued(PUT, 1)
    restored.deploy()
    assert waiting_chunk() == b"id\r\n1\r\n"


def test_stopped_processors_are_started(restored: NiFiServer) -> None:
    client = restored.client()
    group_id = client.find_group("csv-ingestion-raw-to-minio")
    assert group_id is not None
    client.set_running(group_id, running=False)
    wait_until(
        lambda: all(p.state == "STOPPED" for p in client.processors(group_id)), what="all stopped", deadline_s=120
    )
    assert len(restored.status().faults) == len(restored.status().processors)

    assert restored.deploy().started

    assert restored.status().faults == []


def test_stopping_processors_are_started(restored: NiFiServer) -> None:
    client = restored.client()
    group_id = client.find_group("csv-ingestion-raw-to-minio")
    assert group_id is not None
    for _ in range(3):
        client.set_running(group_id, running=False)

        restored.deploy()

        assert restored.status().faults == []


def test_export_equals_the_file_of_this_checkout(restored: NiFiServer, tmp_path: Path) -> None:
    restored.deploy(scheduling={})
    path = tmp_path / "flow.json"
    path.write_text(FLOW_FILE.read_text())

    assert export(url=restored.url, flow_file=path) == []

    assert path.read_text() == FLOW_FILE.read_text()


def test_export_writes_an_edit_to_the_file(
    restored: NiFiServer, edited: Callable[[Edit], Path], tmp_path: Path
) -> None:
    def change(flow: Json) -> None:
        _processor(flow, "Fetch the chunk")["properties"]["Socket Read Timeout"] = "61 secs"

    restored.deploy(flow_file=edited(change), scheduling={})
    path = tmp_path / "exported.json"
    path.write_text(FLOW_FILE.read_text())

    assert export(url=restored.url, flow_file=path) == ["processor 'Fetch the chunk': Socket Read Timeout"]

    before, after = FLOW_FILE.read_text().splitlines(), path.read_text().splitlines()
    assert len(before) == len(after)
    changed = [b.strip().rstrip(",") for a, b in zip(before, after, strict=True) if a != b]
    assert changed == ['"Socket Read Timeout": "61 secs"']


def test_export_has_no_property_at_its_default(nifi: NiFiServer, tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text(FLOW_FILE.read_text())
    export(url=nifi.url, flow_file=path)

    client = nifi.client()
    group_id = client.find_group("csv-ingestion-raw-to-minio")
    assert group_id is not None
    instances = {
        component["identifier"]: component["instanceIdentifier"]
        for kind in ("processors", "controllerServices")
        for component in client.export_group(group_id)["flowContents"][kind]
    }
    defaults = client.property_defaults(group_id)
    contents = load_flow(path)["flowContents"]
    assert [
        (component["name"], name)
        for component in (*contents["processors"], *contents["controllerServices"])
        for name, value in component["properties"].items()
        if value == defaults[instances[component["identifier"]]].get(name)
        and (component["type"], name) not in KEPT_AT_DEFAULT
    ] == []


def test_flow_is_valid_and_running_after_a_restart(restored: NiFiServer, source: FakeChunkSource) -> None:
    restored.stop()
    restored.start()
    wait_until(lambda: restored.status().faults == [], what="the flow runs", deadline_s=120, explain=restored.describe)

    assert not restored.deploy().created
    message = source.offer(b"id\r\n1\r\n", dataset="restarted")
    restored.send(message)
    assert restored.wait_landed(message) == b"id\r\n1\r\n"


def test_export_has_no_value_of_its_environment(nifi: NiFiServer, tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text(FLOW_FILE.read_text())
    export(url=nifi.url, flow_file=path)

    defaults = {p["name"]: p.get("value") for p in context_parameters(load_flow())}
    own = {name: value for name, value in nifi.parameters().items() if value != defaults[name]}
    text = path.read_text()
    assert not [name for name, value in own.items() if f'"{value}"' in text]


def test_missing_flow_is_an_error(nifi: NiFiServer, edited: Callable[[Edit], Path]) -> None:
    with pytest.raises(NotDeployedError, match="nowhere"):
        status(url=nifi.url, flow_file=edited(lambda flow: flow["flowContents"].update(name="nowhere")))


def test_unreachable_nifi_is_named() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(NiFiUnreachableError, match=url):
        status(url=url)


def test_ingest_port_is_the_parameter(nifi: NiFiServer) -> None:
    port = nifi.stack.context.settings.nifi_ingest_port
    assert httpx.get(f"http://127.0.0.1:{port}/csv-ingest", trust_env=False).status_code in {404, 405}


def test_status_command_shows_state_and_nar(nifi: NiFiServer) -> None:
    nifi.deploy(scheduling={})
    result = CliRunner().invoke(app, ["status", "--url", nifi.url])

    assert result.exit_code == 0, result.output
    assert "19 of 19 running, 0 invalid" in result.output
    assert f"S3 NAR      {nifi.status().s3_nar}" in result.output
    assert nifi.component.description()
    assert nifi.status().s3_nar.lower() in nifi.component.description().lower()


def test_deploy_command_accepts_set(restored: NiFiServer) -> None:
    assignments = [f"--set={name}={value}" for name, value in restored.parameters().items()]

    result = CliRunner().invoke(app, ["deploy", "--url", restored.url, *assignments])

    assert result.exit_code == 0, result.output
    assert result.output.endswith("the flow runs\n")
