"""Connections that the network policies must allow or refuse, and their peers."""

from __future__ import annotations

from tests.support.kubernetes.manifests import UPLOADER, Manifests, Pods
from tests.support.kubernetes.network_policies import Direction, Peer

NIFI = Peer("openhouse", {"app.kubernetes.io/name": "nifi"})
KAFKA = Peer("openhouse", {"app.kubernetes.io/name": "kafka"})
MINIO = Peer("openhouse", {"app.kubernetes.io/name": "minio"})
DATABASE = Peer("openhouse", {"app.kubernetes.io/name": "postgresql"})
AIRFLOW = Peer("airflow", {"component": "triggerer"})
CONTROLLER = Peer("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
PROMETHEUS = Peer("monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
DNS_OF_THE_NODE = Peer(address="169.254.20.10")
"""NodeLocal DNSCache at its default address."""
STRANGER = Peer("default")
OURS = Peer("csv-ingestion", {"app.kubernetes.io/name": UPLOADER})

NEEDED: list[tuple[str, Direction, Peer, int, str]] = [
    (UPLOADER, "Ingress", CONTROLLER, 8000, "people upload"),
    (UPLOADER, "Ingress", NIFI, 8000, "NiFi fetches chunks"),
    (UPLOADER, "Ingress", AIRFLOW, 8000, "the DAGs report what has landed"),
    (UPLOADER, "Ingress", PROMETHEUS, 8000, "metrics are scraped"),
    (UPLOADER, "Egress", KAFKA, 9093, "chunks are announced"),
    (UPLOADER, "Egress", MINIO, 9000, "objects are looked at before a chunk's file is removed"),
    (UPLOADER, "Egress", DATABASE, 5432, "the manifests"),
    ("csv-kafka-topics", "Egress", KAFKA, 9093, "topics are made"),
    ("csv-nifi-flow", "Egress", NIFI, 8443, "the flow is deployed"),
]
"""Connections of the ingestion pipeline from or to our namespace. docs/how-to/kubernetes.md lists the others."""

REFUSED: list[tuple[str, Direction, Peer, int, str]] = [
    (UPLOADER, "Ingress", STRANGER, 8000, "another namespace reads chunks"),
    (UPLOADER, "Ingress", OURS, 8000, "a pod beside it reads chunks"),
    (UPLOADER, "Ingress", NIFI, 22, "another port"),
    (UPLOADER, "Egress", STRANGER, 9093, "another Kafka"),
    (UPLOADER, "Egress", KAFKA, 9092, "messages in plain text"),
    ("csv-kafka-topics", "Egress", KAFKA, 9092, "a password in plain text"),
    (UPLOADER, "Egress", NIFI, 8443, "the uploader commands NiFi"),
    (UPLOADER, "Egress", DNS, 443, "anything but names from the name server"),
    ("csv-nifi-flow", "Egress", DATABASE, 5432, "the flow's Job reads manifests"),
    ("csv-nifi-flow", "Ingress", STRANGER, 8000, "a stranger connects to a Job"),
    ("csv-kafka-topics", "Egress", NIFI, 8443, "the topics' Job commands NiFi"),
]


def find(manifests: Manifests, name: str) -> Pods:
    """Return the pods of the owner ``name``."""
    (pods,) = [pods for pods in manifests.pods() if pods.owner["metadata"]["name"] == name]
    return pods
