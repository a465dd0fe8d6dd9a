"""Deployment to a NiFi of another version, which renames properties on import (see the fake)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import nifi.deploy
import nifi.status
from nifi.client import NiFiClient
from nifi.definition import Json, load_flow
from nifi.deploy import Deployment
from nifi.status import FlowStatus
from tests.support.nifi.fake_migrating_nifi import FakeMigratingNiFi

SECRETS = {"s3.access.key": "a", "s3.secret.key": "s"}
PUT = "Put the object"


@pytest.fixture
def newer() -> FakeMigratingNiFi:
    return FakeMigratingNiFi()


def deploy(server: FakeMigratingNiFi, **given: Any) -> Deployment:
    return nifi.deploy.deploy(parameters=SECRETS, connect=lambda *_, **__: cast("NiFiClient", server), **given)


def status(server: FakeMigratingNiFi) -> FlowStatus:
    return nifi.status.status(url="http://unused", connect=lambda *_, **__: cast("NiFiClient", server))


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, str, str], Path]:
    def write(processor: str, name: str, value: str) -> Path:
        flow = load_flow()
        _processor(flow, processor)["properties"][name] = value
        path = tmp_path / "flow.json"
        path.write_text(json.dumps(flow))
        return path

    return write


def _processor(flow: Json, name: str) -> Json:
    found: Json = next(p for p in flow["flowContents"]["processors"] if p["name"] == name)
    return found


def test_second_deployment_to_a_newer_nifi_changes_nothing(newer: FakeMigratingNiFi) -> None:
    assert deploy(newer).created
    assert not deploy(newer).changed
    assert newer.replaced == 0


def test_temporary_group_is_deleted(newer: FakeMigratingNiFi) -> None:
    deploy(newer)
    deploy(newer)
    assert [name for name, _ in newer.groups.values()] == ["csv-ingestion-raw-to-minio"]
    assert len(newer.imports) == 2, "the flow, and what it is compared with"


def test_temporary_group_is_deleted_if_the_export_fails(
    newer: FakeMigratingNiFi, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(newer)
    (group_id,) = newer.groups
    export = newer.export_group

    def fail_for_others(asked: str) -> Json:
        if asked != group_id:
            raise ConnectionError("away")
        return export(asked)

    monkeypatch.setattr(newer, "export_group", fail_for_others)
    with pytest.raises(ConnectionError):
        deploy(newer)
    assert list(newer.groups) == [group_id]


@pytest.mark.parametrize(
    ("processor", "name", "value", "named"),
    [
        (PUT, "Multipart Part Size", "64 MB", "Multipart Part Size"),
        (PUT, "use-path-style-access", "false", "Use Path Style Access"),
        ("Fetch again, or give up", "retry-attribute", "chunk.tries", "Retry Attribute"),
    ],
)
def test_change_has_the_newer_name_and_is_made_once(
    newer: FakeMigratingNiFi,
    edited: Callable[[str, str, str], Path],
    processor: str,
    name: str,
    value: str,
    named: str,
) -> None:
    deploy(newer)
    path = edited(processor, name, value)
    assert deploy(newer, flow_file=path).flow_changes == (f"processor {processor!r}: {named}",)
    assert not deploy(newer, flow_file=path).changed
    assert newer.replaced == 1


def test_edit_in_a_newer_nifi_is_undone(newer: FakeMigratingNiFi) -> None:
    deploy(newer)
    (group_id,) = newer.groups
    _processor(newer.groups[group_id][1], PUT)["properties"]["Checksum Algorithm"] = "SHA256"
    assert deploy(newer).flow_changes == (f"processor {PUT!r}: Checksum Algorithm",)
    assert not deploy(newer).changed


def test_scheduling_of_an_environment_is_compared(newer: FakeMigratingNiFi) -> None:
    deploy(newer)
    quick = {PUT: {"retryCount": 1}}
    assert deploy(newer, scheduling=quick).flow_changes == (f"processor {PUT!r}: retryCount",)
    assert not deploy(newer, scheduling=quick).changed


def test_status_of_a_newer_nifi_does_not_compare_properties(newer: FakeMigratingNiFi) -> None:
    deploy(newer)
    imports = len(newer.imports)
    found = status(newer)
    assert (found.changes, found.properties_compared, found.faults) == ([], False, [])
    assert len(newer.imports) == imports


def test_same_version_is_compared_without_an_import(
    newer: FakeMigratingNiFi, monkeypatch: pytest.MonkeyPatch, edited: Callable[[str, str, str], Path]
) -> None:
    monkeypatch.setattr(FakeMigratingNiFi, "running", "2.3.0")
    monkeypatch.setattr(newer, "_migrate", lambda flow: {**json.loads(json.dumps(flow))})
    monkeypatch.setattr(newer, "property_defaults", lambda _: {})
    deploy(newer)
    assert deploy(newer, flow_file=edited(PUT, "Multipart Part Size", "64 MB")).flow_changes
    assert newer.imports == ["csv-ingestion-raw-to-minio"]
    assert status(newer).properties_compared
