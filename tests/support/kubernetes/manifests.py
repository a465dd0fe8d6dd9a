"""The resources of an overlay as kustomize builds them, and queries on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubernetes.kustomize import build

ROOT = Path(__file__).resolve().parents[3]
K8S = ROOT / "k8s"
OLDEST_KUBERNETES = "1.29"
LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "managed-by", "version")}
VALUES = K8S / "base" / "airflow" / "values.yaml"
"""Values of Airflow's Helm chart, no resource."""
OVERLAYS = ("hanoi", "local")
UPLOADER = "fastapi-csv-uploader"
SECRETS = {
    "DATABASE_URL": "postgresql://user:word@host/name",
    "ADMIN_KEY": f"csvp_adminkey_{'A' * 43}",
    "RELAY_KEY": f"csvp_relaykey_{'A' * 43}",
    "DOWNLOAD_SIGNING_KEYS": f"1:{'0' * 64}",
    "S3_ENCRYPTION": "none",
    "S3_KMS_KEY_ID": "",
    "S3_SSE_C_KEY": "",
    "S3_SSE_C_OLD_KEYS": "",
}
"""Values of the secrets whose form a setting checks. Any other is ``secret``."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Pods:
    """What a StatefulSet or a Job makes its pods from."""

    owner: Json

    @property
    def place(self) -> str:
        """Return kind and name, for messages."""
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def namespace(self) -> str:
        """Return where they run."""
        return str(self.owner["metadata"]["namespace"])

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of each."""
        labels: dict[str, str] = self.owner["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def spec(self) -> Json:
        """Return the specification of each."""
        spec: Json = self.owner["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Json:
        """Return the one container."""
        (container,) = self.spec["containers"]
        return dict(container)

    @property
    def ports(self) -> dict[str, int]:
        """Return the container's ports by name."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}


@dataclass(frozen=True)
class Manifests:
    """All resources of one overlay."""

    overlay: str
    resources: tuple[Json, ...]

    def of(self, kind: str) -> list[Json]:
        """Return the resources of a kind."""
        return [resource for resource in self.resources if resource["kind"] == kind]

    def get(self, kind: str, name: str) -> Json:
        """Return one resource."""
        (found,) = [resource for resource in self.of(kind) if resource["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[Pods]:
        """Give everything that makes pods."""
        for kind in ("StatefulSet", "Job"):
            yield from map(Pods, self.of(kind))

    def uploader(self) -> Pods:
        """Return the uploader's pods."""
        return Pods(self.get("StatefulSet", UPLOADER))

    def environment(self, pods: Pods, *, pod_name: str = "pod-0") -> dict[str, str]:
        """Return the container's environment as a pod ``pod_name`` would see it, with the values of ``SECRETS``."""
        seen: dict[str, str] = {}
        for source in pods.container.get("envFrom", []):
            seen |= self.get("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in pods.container.get("env", []):
            seen[variable["name"]] = _value(variable, seen, pods, pod_name)
        return seen


def _value(variable: Json, seen: Mapping[str, str], pods: Pods, pod_name: str) -> str:
    if "value" in variable:
        value = str(variable["value"])
        for name, known in seen.items():
            value = value.replace(f"$({name})", known)
        return value
    field = variable["valueFrom"].get("fieldRef", {}).get("fieldPath")
    secret = SECRETS.get(variable["name"], "secret")
    return {"metadata.name": pod_name, "metadata.namespace": pods.namespace, None: secret}[field]


def option(pods: Pods, name: str) -> str:
    """Return the value of an option of the container's command."""
    (value,) = [arg.partition("=")[2] for arg in pods.container["args"] if arg.startswith(f"--{name}=")]
    return str(value)


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether labels hold all that a selector asks for."""
    return selector.items() <= labels.items()


@cache
def load_overlay(name: str) -> Manifests:
    """Build ``k8s/overlays/{name}``."""
    return Manifests(name, tuple(yaml.safe_load_all(build(K8S / "overlays" / name))))


@cache
def load_external_secrets() -> tuple[Json, ...]:
    """Build ``k8s/external-secrets``."""
    return tuple(yaml.safe_load_all(build(K8S / "external-secrets")))
