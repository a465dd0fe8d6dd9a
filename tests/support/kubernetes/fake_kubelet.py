"""A fake of scheduler and kubelet: binds pods to a node, and reports their states.

It starts nothing. A pod whose ConfigMaps and Secrets are there is Running and Ready, or Succeeded if a Job made it; one
that refers to something missing waits with ``CreateContainerConfigError``, as with a kubelet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.support.kubernetes.cluster import Cluster

NODE = "fake-node"
_PAUSE_S = 0.2
Json = dict[str, Any]


class FakeKubelet:
    """Looks at every pod a few times a second. ``failing_jobs`` are names of Jobs whose pods fail."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.failing_jobs: set[str] = set()
        self.unready = False
        """No pod of a StatefulSet is ready, as if Kafka were away."""
        self.faults: list[str] = []

    def look(self) -> None:
        """Bind, report and remove once."""
        for pod in self._get("/api/v1/pods")["items"]:
            place = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            if "deletionTimestamp" in pod["metadata"]:
                self._client.request("DELETE", place, json={"gracePeriodSeconds": 0})
            elif "nodeName" not in pod["spec"]:
                target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
                self._client.post(
                    f"{place}/binding", json={"metadata": {"name": pod["metadata"]["name"]}, "target": target}
                )
            elif (status := self._status(pod)) is not None:
                headers = {"Content-Type": "application/merge-patch+json"}
                self._client.patch(f"{place}/status", headers=headers, json={"status": status})

    def _status(self, pod: Json) -> Json | None:
        """Return the status to be reported, or None if the one that is there is right."""
        known = pod.get("status", {})
        if known.get("phase") in {"Succeeded", "Failed"}:
            return None
        owner = next(iter(pod["metadata"].get("ownerReferences", [])), {"kind": "", "name": ""})
        name = pod["spec"]["containers"][0]["name"]
        if missing := list(self._missing(pod)):
            waiting = {"reason": "CreateContainerConfigError", "message": f"not found: {', '.join(missing)}"}
            return _report("Pending", name, {"waiting": waiting}, ready=False)
        if owner["kind"] == "Job":
            code = int(owner["name"] in self.failing_jobs)
            state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
            return _report("Failed" if code else "Succeeded", name, state, ready=False)
        ready = not (self.unready and owner["kind"] == "StatefulSet")
        if known.get("phase") == "Running" and _is_ready(known) == ready:
            return None
        return _report("Running", name, {"running": {"startedAt": _now()}}, ready=ready)

    def _missing(self, pod: Json) -> Iterator[str]:
        namespace = pod["metadata"]["namespace"]
        for kind, reference in references(pod["spec"]):
            key = {"configmaps": "name", "secrets": "secretName" if "secretName" in reference else "name"}[kind]
            place = f"/api/v1/namespaces/{namespace}/{kind}/{reference[key]}"
            if reference.get("optional") is not True and self._client.get(place).status_code == 404:
                yield f"{kind}/{reference[key]}"

    def _get(self, path: str) -> Json:
        answer: Json = self._client.get(path).raise_for_status().json()
        return answer


def references(spec: Json) -> Iterator[tuple[str, Json]]:
    """Give the ConfigMaps and Secrets that a pod needs before its containers can start."""
    kinds = {
        "configMapRef": "configmaps",
        "secretRef": "secrets",
        "configMapKeyRef": "configmaps",
        "secretKeyRef": "secrets",
    }
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        sources = [*container.get("envFrom", []), *(v.get("valueFrom", {}) for v in container.get("env", []))]
        for source in sources:
            yield from ((kind, source[name]) for name, kind in kinds.items() if name in source)
    for volume in spec.get("volumes", []):
        yield from (
            (kind, volume[name])
            for name, kind in (("configMap", "configmaps"), ("secret", "secrets"))
            if name in volume
        )


def _report(phase: str, container: str, state: Json, *, ready: bool) -> Json:
    status = {"name": container, "ready": ready, "restartCount": 0, "image": "", "imageID": "", "state": state}
    at = _now()
    conditions = [
        {"type": name, "status": str(ready), "lastTransitionTime": at} for name in ("Ready", "ContainersReady")
    ]
    return {"phase": phase, "startTime": at, "conditions": conditions, "containerStatuses": [status]}


def _is_ready(status: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def running_kubelet(cluster: Cluster) -> Iterator[FakeKubelet]:
    """Create the node and look at its pods until the end."""
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    stop = threading.Event()
    with cluster.client() as client:
        kubelet = FakeKubelet(client)

        def look_on() -> None:
            while not stop.wait(_PAUSE_S):
                try:
                    kubelet.look()
                except httpx.HTTPError as error:
                    kubelet.faults.append(str(error))

        thread = threading.Thread(target=look_on, name="fake-kubelet")
        thread.start()
        try:
            yield kubelet
        finally:
            stop.set()
            thread.join()
