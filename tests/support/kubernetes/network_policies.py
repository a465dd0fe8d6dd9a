"""Evaluation of NetworkPolicies, as far as ours use them: peers by labels or address, and port ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal

from tests.support.kubernetes.manifests import Json, Manifests, Pods, selects

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Peer:
    """One end of a connection: pods of a namespace, which have ``labels``; or an ``address`` that is no pod's."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    address: str | None = None


def allows(
    manifests: Manifests, pods: Pods, direction: Direction, peer: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Return whether ``pods`` may be talked to by ``peer``, or talk to it, on ``port``; no policy at all allows it."""
    policies = [policy for policy in _policies(manifests, pods) if direction in policy["policyTypes"]]
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
    side = "from" if direction == "Ingress" else "to"
    ports = pods.ports if direction == "Ingress" else {}
    return not policies or any(
        any(_is_peer(given, peer, pods.namespace) for given in rule.get(side, [{"any": True}]))
        and any(_is_port(given, port, protocol, ports) for given in rule.get("ports", [{"any": True}]))
        for rule in rules
    )


def _policies(manifests: Manifests, pods: Pods) -> Iterator[Json]:
    for policy in manifests.of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        if policy["metadata"]["namespace"] == pods.namespace and selects(selector, pods.labels):
            yield policy["spec"]


def _is_peer(given: Json, peer: Peer, own_namespace: str) -> bool:
    if given.get("any"):
        return True
    if "ipBlock" in given or peer.address is not None:
        block = given.get("ipBlock", {}).get("cidr")
        return block is not None and peer.address is not None and ip_address(peer.address) in ip_network(block)
    wanted = given.get("namespaceSelector", {}).get("matchLabels", {_NAMESPACE_LABEL: own_namespace})
    in_namespace = selects(wanted, {_NAMESPACE_LABEL: peer.namespace})
    return in_namespace and selects(given.get("podSelector", {}).get("matchLabels", {}), peer.labels)


def _is_port(given: Json, port: int, protocol: str, named: dict[str, int]) -> bool:
    if given.get("any"):
        return True
    first = int(named[given["port"]] if given["port"] in named else given["port"])
    return bool(given["protocol"] == protocol and first <= port <= int(given.get("endPort", first)))


def namespaces_named(policies: Iterable[Json]) -> set[str]:
    """Return the namespaces that policies let something from or to."""
    return {
        peer["namespaceSelector"]["matchLabels"][_NAMESPACE_LABEL]
        for policy in policies
        for direction, side in (("ingress", "from"), ("egress", "to"))
        for rule in policy["spec"].get(direction, [])
        for peer in rule.get(side, [])
        if "namespaceSelector" in peer
    }
