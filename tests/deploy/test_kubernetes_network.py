"""Who may talk to whom: all that the lane needs, and no more."""

from __future__ import annotations

import re

import pytest

from tests.support.kubernetes.manifests import UPLOADER, Manifests, Pods, load_overlay
from tests.support.kubernetes.network_policies import Direction, Peer, allows, namespaces_named

NIFI = Peer("openhouse", {"app.kubernetes.io/name": "nifi"})
KAFKA = Peer("openhouse", {"app.kubernetes.io/name": "kafka"})
DATABASE = Peer("openhouse", {"app.kubernetes.io/name": "postgresql"})
AIRFLOW = Peer("airflow", {"component": "triggerer"})
CONTROLLER = Peer("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
PROMETHEUS = Peer("monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
DNS_OF_THE_NODE = Peer(address="169.254.20.10")
"""NodeLocal DNSCache, where it listens unless somebody says otherwise."""
STRANGER = Peer("default")
OURS = Peer("csv-ingestion", {"app.kubernetes.io/name": UPLOADER})

NEEDED: list[tuple[str, Direction, Peer, int, str]] = [
    (UPLOADER, "Ingress", CONTROLLER, 8000, "people upload"),
    (UPLOADER, "Ingress", NIFI, 8000, "NiFi fetches chunks"),
    (UPLOADER, "Ingress", AIRFLOW, 8000, "the DAGs report what has landed"),
    (UPLOADER, "Ingress", PROMETHEUS, 8000, "metrics are scraped"),
    (UPLOADER, "Egress", KAFKA, 9092, "chunks are announced"),
    (UPLOADER, "Egress", DATABASE, 5432, "the manifests"),
    ("csv-kafka-topics", "Egress", KAFKA, 9092, "topics are made"),
    ("csv-nifi-flow", "Egress", NIFI, 8443, "the flow is deployed"),
]
"""Every connection of the lane that begins or ends in our namespace. The others are in docs/how-to/kubernetes.md."""

REFUSED: list[tuple[str, Direction, Peer, int, str]] = [
    (UPLOADER, "Ingress", STRANGER, 8000, "another namespace reads chunks"),
    (UPLOADER, "Ingress", OURS, 8000, "a pod beside it reads chunks"),
    (UPLOADER, "Ingress", NIFI, 22, "another port"),
    (UPLOADER, "Egress", STRANGER, 9092, "another Kafka"),
    (UPLOADER, "Egress", NIFI, 8443, "the uploader commands NiFi"),
    (UPLOADER, "Egress", DNS, 443, "anything but names from the name server"),
    ("csv-nifi-flow", "Egress", DATABASE, 5432, "the flow's Job reads manifests"),
    ("csv-nifi-flow", "Ingress", STRANGER, 8000, "somebody talks to a Job"),
    ("csv-kafka-topics", "Egress", NIFI, 8443, "the topics' Job commands NiFi"),
]


def find(manifests: Manifests, name: str) -> Pods:
    (pods,) = [pods for pods in manifests.pods() if pods.owner["metadata"]["name"] == name]
    return pods


@pytest.mark.parametrize(("name", "direction", "peer", "port", "what"), NEEDED, ids=[row[-1] for row in NEEDED])
def test_needed_connection_is_allowed(
    hanoi: Manifests, name: str, direction: Direction, peer: Peer, port: int, what: str
) -> None:
    assert allows(hanoi, find(hanoi, name), direction, peer, port), what


@pytest.mark.parametrize(("name", "direction", "peer", "port", "what"), REFUSED, ids=[row[-1] for row in REFUSED])
def test_connection_that_nobody_needs_is_refused(
    hanoi: Manifests, name: str, direction: Direction, peer: Peer, port: int, what: str
) -> None:
    assert not allows(hanoi, find(hanoi, name), direction, peer, port), what


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("server", [DNS, DNS_OF_THE_NODE], ids=["cluster", "node"])
def test_every_pod_may_ask_for_names(manifests: Manifests, server: Peer, protocol: str) -> None:
    for pods in manifests.pods():
        assert allows(manifests, pods, "Egress", server, 53, protocol), pods.place


def test_node_is_asked_for_names_and_for_nothing_else(manifests: Manifests) -> None:
    # 169.254.169.254 is where clouds hand out the credentials of a machine.
    for pods in manifests.pods():
        for port in (80, 443):
            assert not allows(manifests, pods, "Egress", Peer(address="169.254.169.254"), port), pods.place


def test_what_no_policy_names_is_denied(manifests: Manifests) -> None:
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


def test_airflow_alone_reaches_the_port_of_the_flow(hanoi: Manifests) -> None:
    (port,) = hanoi.get("Service", "openhouse-nifi-csv-ingest")["spec"]["ports"]
    assert allows(hanoi, nifi(hanoi), "Ingress", AIRFLOW, port["targetPort"])
    for peer in (STRANGER, OURS, CONTROLLER, KAFKA, PROMETHEUS, Peer(address="10.10.0.7")):
        assert not allows(hanoi, nifi(hanoi), "Ingress", peer, port["targetPort"]), peer


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
@pytest.mark.parametrize("port", [1, 6342, 8443, 10079, 10081, 11443, 65535])
def test_every_other_port_of_nifi_is_open_as_without_us(hanoi: Manifests, port: int, protocol: str) -> None:
    for peer in (STRANGER, OURS, AIRFLOW, Peer(address="192.0.2.1")):
        assert allows(hanoi, nifi(hanoi), "Ingress", peer, port, protocol), peer
    assert allows(hanoi, nifi(hanoi), "Egress", STRANGER, port, protocol)


def test_policy_in_the_namespace_of_others_selects_nifi_alone(hanoi: Manifests) -> None:
    places = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in hanoi.of("NetworkPolicy")}
    assert {place for place in places if place[0] != "csv-ingestion"} == {("openhouse", "openhouse-nifi-csv-ingest")}
    selector = hanoi.get("NetworkPolicy", "openhouse-nifi-csv-ingest")["spec"]["podSelector"]["matchLabels"]
    assert selector == hanoi.get("Service", "openhouse-nifi-csv-ingest")["spec"]["selector"]


def test_namespaces_that_policies_name_are_those_of_the_connections() -> None:
    named = namespaces_named(load_overlay("hanoi").of("NetworkPolicy"))
    assert named == {peer.namespace for _, _, peer, _, _ in NEEDED} | {DNS.namespace}


def test_addresses_that_pods_are_given_may_be_reached(manifests: Manifests) -> None:
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


def test_one_machine_has_kafka_and_database_where_the_uploader_looks(local: Manifests) -> None:
    environment = local.environment(local.uploader())
    host, _, port = environment["KAFKA_BROKER"].partition(":")
    service = local.get("Service", host.partition(".")[0])
    assert host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    assert [str(p["port"]) for p in service["spec"]["ports"]] == [port]
    kafka = local.environment(find(local, "openhouse-kafka"))
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{environment['KAFKA_BROKER']}"
    assert allows(local, local.uploader(), "Egress", Peer("csv-ingestion"), 5432)
    assert allows(local, find(local, "postgresql"), "Ingress", OURS, 5432)
