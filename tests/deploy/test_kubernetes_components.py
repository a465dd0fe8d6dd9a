"""The components that a site may add to its overlay: another ingress, another Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.kubernetes.connections import CONTROLLER, NEEDED, REFUSED, STRANGER, find
from tests.support.kubernetes.kustomize import build
from tests.support.kubernetes.manifests import K8S, LABELS, UPLOADER, Manifests
from tests.support.kubernetes.network_policies import Peer, allows

Add = Callable[[str], Manifests]
COMPONENTS = ("gateway", "host-network-ingress", "pod-monitor")


@pytest.fixture
def add(tmp_path: Path) -> Add:
    """Return Hanoi with a component, added as its kustomization says."""

    def add(name: str) -> Manifests:
        shutil.copytree(K8S, tmp_path / "k8s")
        overlay = tmp_path / "k8s" / "overlays" / "hanoi"
        (line,) = [
            line for line in (K8S / "components" / name / "kustomization.yaml").read_text().splitlines()
            if "components: [" in line
        ]  # fmt: skip
        with (overlay / "kustomization.yaml").open("a") as file:
            file.write(line[line.index("components: [") :] + "\n")
        return Manifests("hanoi", tuple(yaml.safe_load_all(build(overlay))))

    return add


@pytest.mark.parametrize("name", COMPONENTS)
def test_component_keeps_connections_and_labels_what_it_adds(name: str, add: Add, hanoi: Manifests) -> None:
    found = add(name)
    for rows, expected in ((NEEDED, True), (REFUSED, False)):
        for pods, direction, peer, port, what in rows:
            assert allows(found, find(found, pods), direction, peer, port) is expected, what
    before = [(each["kind"], each["metadata"]["name"]) for each in hanoi.resources]
    added = [each for each in found.resources if (each["kind"], each["metadata"]["name"]) not in before]
    assert added
    for each in added:
        assert each["metadata"]["labels"].keys() >= LABELS
        assert each["metadata"]["namespace"] == "csv-ingestion"


def test_route_of_the_gateway_replaces_the_ingress_and_has_its_paths(add: Add, hanoi: Manifests) -> None:
    found = add("gateway")
    assert found.of("Ingress") == []
    (ingress_rule,) = hanoi.get("Ingress", UPLOADER)["spec"]["rules"]
    route = found.get("HTTPRoute", UPLOADER)["spec"]
    assert route["hostnames"] == [ingress_rule["host"]]
    (rule,) = route["rules"]
    assert [match["path"]["value"] for match in rule["matches"]] == [p["path"] for p in ingress_rule["http"]["paths"]]
    (backend,) = rule["backendRefs"]
    (port,) = found.get("Service", backend["name"])["spec"]["ports"]
    assert backend["port"] == port["port"]
    assert rule["timeouts"] == {"request": "0s"}, "an upload may take longer than any proxy's default"


def test_only_the_gateway_is_admitted(add: Add, hanoi: Manifests) -> None:
    found = add("gateway")
    (parent,) = found.get("HTTPRoute", UPLOADER)["spec"]["parentRefs"]
    assert allows(found, found.uploader(), "Ingress", Peer(parent["namespace"]), 8000)
    assert not allows(hanoi, hanoi.uploader(), "Ingress", Peer(parent["namespace"]), 8000)
    assert not allows(found, found.uploader(), "Ingress", STRANGER, 8000)


def test_host_network_controller_is_admitted(add: Add, hanoi: Manifests) -> None:
    node, stranger = Peer(address="10.10.0.7"), Peer(address="10.10.1.7")
    assert not allows(hanoi, hanoi.uploader(), "Ingress", node, 8000)
    found = add("host-network-ingress")
    assert allows(found, found.uploader(), "Ingress", node, 8000)
    assert not allows(found, found.uploader(), "Ingress", stranger, 8000)
    assert allows(found, found.uploader(), "Ingress", CONTROLLER, 8000)


def test_pod_monitor_matches_the_pods_and_their_annotations(add: Add) -> None:
    found = add("pod-monitor")
    spec, pods = found.get("PodMonitor", UPLOADER)["spec"], found.uploader()
    assert spec["selector"]["matchLabels"] == pods.owner["spec"]["selector"]["matchLabels"]
    (endpoint,) = spec["podMetricsEndpoints"]
    told = pods.owner["spec"]["template"]["metadata"]["annotations"]
    assert endpoint["path"] == told["prometheus.io/path"]
    assert str(pods.ports[endpoint["port"]]) == told["prometheus.io/port"]
