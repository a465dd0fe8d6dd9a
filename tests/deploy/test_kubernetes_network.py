"""Who may talk to whom: all that the pipeline needs, and no more."""

from __future__ import annotations

import re

import pytest

from tests.support.kubernetes.connections import (
    AIRFLOW,
    CONTROLLER,
    DNS,
    DNS_OF_THE_NODE,
    KAFKA,
    NEEDED,
    OURS,
    PROMETHEUS,
    REFUSED,
    STRANGER,
    find,
)
from tests.support.kubernetes.manifests import Manifests, Pods, load_overlay
from tests.support.kubernetes.network_policies import Direction, Peer, allows, namespaces_named


@pytest.mark.parametrize(("name", "direction", "peer", "port", "what"), NEEDED, ids=[row[-1] for row in NEEDED])
def test_needed_connection_is_allowed(
    hanoi: Manifests, name: str, direction: Direction, peer: Peer, port: int, what: str
) -> None:
    assert allows(hanoi, find(hanoi, name), direction, peer, port), what


@pytest.mark.parametrize(("name", "direction", "peer", "port", "what"), REFUSED, ids=[row[-1] for row in REFUSED])
def test_unneeded_connection_is_refused(
    hanoi: Manifests, name: str, direction: Direction, peer: Peer, port: int, what: str
) -> None:
    assert not allows(hanoi, find(hanoi, name), direction, peer, port), what


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("server", [DNS, DNS_OF_THE_NODE], ids=["cluster", "node"])
def test_every_pod_may_resolve_names(manifests: Manifests, server: Peer, protocol: str) -> None:
    for pods in manifests.pods():
        assert allows(manifests, pods, "Egress", server, 53, protocol), pods.place


def test_node_is_reachable_for_dns_only(manifests: Manifests) -> None:
    # 169.254.169.254 is where clouds hand out the credentials of a machine.
    for pods in manifests.pods():
        for port in (80, 443):
            assert not allows(manifests, pods, "Egress", Peer(address="169.254.169.254"), port), pods.place


def test_everything_else_is_denied(manifests: Manifests) -> None:
    spec = manifests.get("NetworkPolicy", "default-deny")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def nifi(manifests: Manifests) -> Pods:
    """Return NiFi's pods, which are not ours: as the Service of the flow's port finds them."""
    service = manifests.get("Service", "openhouse-nifi-csv-ingest")
    labels = {**service["spec"]["selector"], "statefulset.kubernetes.io/pod-name": "openhouse-nifi-0"}
    metadata = {"name": "openhouse-nifi", "namespace": service["metadata"]["namespace"]}
    containers = [{"ports": [{"name": "https", "containerPort": 8443}]}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return Pods({"kind": "StatefulSet", "metadata": metadata, "spec": {"template": template}})


def test_only_airflow_reaches_the_port_of_the_flow(hanoi: Manifests) -> None:
    (port,) = hanoi.get("Service", "openhouse-nifi-csv-ingest")["spec"]["ports"]
    assert allows(hanoi, nifi(hanoi), "Ingress", AIRFLOW, port["targetPort"])
    for peer in (STRANGER, OURS, CONTROLLER, KAFKA, PROMETHEUS, Peer(address="10.10.0.7")):
        assert not allows(hanoi, nifi(hanoi), "Ingress", peer, port["targetPort"]), peer


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
@pytest.mark.parametrize("port", [1, 6342, 8443, 10079, 10081, 11443, 65535])
def test_other_ports_of_nifi_stay_open(hanoi: Manifests, port: int, protocol: str) -> None:
    for peer in (STRANGER, OURS, AIRFLOW, Peer(address="192.0.2.1")):
        assert allows(hanoi, nifi(hanoi), "Ingress", peer, port, protocol), peer
    assert allows(hanoi, nifi(hanoi), "Egress", STRANGER, port, protocol)


def test_policy_in_openhouse_selects_nifi_only(hanoi: Manifests) -> None:
    places = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in hanoi.of("NetworkPolicy")}
    assert {place for place in places if place[0] != "csv-ingestion"} == {("openhouse", "openhouse-nifi-csv-ingest")}
    selector = hanoi.get("NetworkPolicy", "openhouse-nifi-csv-ingest")["spec"]["podSelector"]["matchLabels"]
    assert selector == hanoi.get("Service", "openhouse-nifi-csv-ingest")["spec"]["selector"]


def test_replicas_reach_each_other_to_pass_resumable_uploads_on(hanoi: Manifests) -> None:
    uploader = hanoi.uploader()
    replica = Peer(uploader.namespace, uploader.labels)
    assert allows(hanoi, uploader, "Egress", replica, 8000)
    assert allows(hanoi, uploader, "Ingress", replica, 8000)


def test_namespaces_that_policies_name_are_those_of_the_connections() -> None:
    named = namespaces_named(load_overlay("hanoi").of("NetworkPolicy"))
    assert named == {peer.namespace for _, _, peer, _, _ in NEEDED} | {DNS.namespace}


def test_pods_can_reach_their_configured_addresses(manifests: Manifests) -> None:
    seen = 0
    for pods in manifests.pods():
        own = f"{pods.owner['spec'].get('serviceName', '-')}.{pods.namespace}"
        for name, value in manifests.environment(pods).items():
            for host, port in re.findall(r"([a-z0-9.-]+)\.svc\.cluster\.local:(\d+)", value):
                if host.endswith(own):
                    continue
                seen += 1
                assert allows(manifests, pods, "Egress", Peer(host.rpartition(".")[2]), int(port)), (pods.place, name)
    assert seen


def test_local_overlay_has_kafka_and_database_at_the_configured_addresses(local: Manifests) -> None:
    environment = local.environment(local.uploader())
    host, _, port = environment["KAFKA_BROKER"].partition(":")
    service = local.get("Service", host.partition(".")[0])
    assert host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    assert [str(p["port"]) for p in service["spec"]["ports"]] == [port]
    kafka = local.environment(find(local, "openhouse-kafka"))
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{environment['KAFKA_BROKER']}"
    assert allows(local, local.uploader(), "Egress", Peer("csv-ingestion"), 5432)
    assert allows(local, find(local, "postgresql"), "Ingress", OURS, 5432)
