"""The component that adds traces to an overlay: the variable, and the way to the collector."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.kubernetes.connections import NEEDED, OURS, REFUSED, STRANGER, find
from tests.support.kubernetes.kustomize import build, kustomize
from tests.support.kubernetes.manifests import K8S, LABELS, OLDEST_KUBERNETES, ROOT, Manifests
from tests.support.kubernetes.network_policies import Peer, allows

COLLECTOR = Peer("monitoring", {"app.kubernetes.io/name": "opentelemetry-collector"})
PORT = 4318
VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def traced(tmp_path: Path) -> Manifests:
    """Hanoi with the component, added as docs/operations/tracing.md says."""
    page = (ROOT / "docs" / "operations" / "tracing.md").read_text()
    (command,) = re.findall(r"`kustomize (edit add component \S+)`", page)
    shutil.copytree(K8S, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "hanoi"
    subprocess.run([kustomize(), *command.split()], cwd=overlay, check=True)
    return Manifests("hanoi", tuple(yaml.safe_load_all(build(overlay))))


def test_uploader_and_airflow_use_the_collector(traced: Manifests, hanoi: Manifests) -> None:
    uploader = traced.environment(traced.uploader())
    address = f"http://opentelemetry-collector.{COLLECTOR.namespace}.svc.cluster.local:{PORT}"
    assert uploader[VARIABLE] == address
    assert traced.get("ConfigMap", "csv-ingestion-airflow")["data"][VARIABLE] == address
    assert VARIABLE not in hanoi.environment(hanoi.uploader())


def test_collector_can_be_reached_with_the_component_alone(traced: Manifests, hanoi: Manifests) -> None:
    assert allows(traced, traced.uploader(), "Egress", COLLECTOR, PORT)
    assert not allows(hanoi, hanoi.uploader(), "Egress", COLLECTOR, PORT)
    assert not allows(traced, traced.uploader(), "Egress", STRANGER, PORT)
    assert not allows(traced, traced.uploader(), "Ingress", OURS, PORT)


def test_component_changes_no_other_connection(traced: Manifests) -> None:
    for rows, expected in ((NEEDED, True), (REFUSED, False)):
        for name, direction, peer, port, what in rows:
            assert allows(traced, find(traced, name), direction, peer, port) is expected, what


def test_nothing_else_changes(traced: Manifests, hanoi: Manifests) -> None:
    def identities(manifests: Manifests) -> set[tuple[str, str, str]]:
        return {
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
            for each in manifests.resources
        }

    added = identities(traced) - identities(hanoi)
    assert identities(hanoi) < identities(traced)
    assert added == {("NetworkPolicy", "csv-ingestion", "fastapi-csv-uploader-traces")}
    policy = traced.get("NetworkPolicy", "fastapi-csv-uploader-traces")
    assert policy["metadata"]["labels"].keys() >= LABELS
    kubernetes_validate.validate(policy, OLDEST_KUBERNETES, strict=True)
