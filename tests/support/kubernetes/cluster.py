"""A Kubernetes control plane: a real API server and controller manager on etcd. Its node is a fake_kubelet."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack.dist import build_once
from stack.golang import run_go
from stack.ports import free_ports
from stack.tools import provide
from tests.support.network.certificates import private_key_pem
from tests.support.own_environment import PLACE
from tests.support.waiting import wait_until

_SOURCES = Path(__file__).with_name("cluster_program")
_FILES = ("go.mod", "go.sum", "main.go")
VERSION = "v1.34.1"
_TOKEN = "a-token-of-this-test"
_READY_S = 120.0


def cluster_program() -> Path:
    """Return kube-apiserver, kube-controller-manager and kubectl as one program, compiled where it is not there yet.

    `go install` refuses k8s.io/kubernetes for its ``replace`` lines, so a module of ours names it as its dependency.
    """
    stamp = VERSION + hashlib.sha256(b"".join((_SOURCES / name).read_bytes() for name in _FILES)).hexdigest()
    package = "k8s.io/component-base/version"
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    told = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in told.items())])

    def compile_it(into: Path) -> None:
        for name in _FILES:
            shutil.copy(_SOURCES / name, into)
        command = ["-trimpath", f"-ldflags={flags}", "-o", "cluster", "."]
        run_go("build", *command, cwd=into, env={"CGO_ENABLED": "0"}, report=lambda _: None)

    return build_once(PLACE, "cluster", stamp, compile_it) / "cluster"


def _etcd() -> Path:
    from stack.errors import MissingToolError

    def find() -> Path:
        found = shutil.which("etcd")
        if found is None:
            raise MissingToolError("etcd is needed. Install it (Debian: apt install etcd-server).", tool="etcd")
        return Path(found)

    return provide(find, ("etcd-server",), print)


@dataclass(frozen=True)
class Cluster:
    """A running control plane: its address, and kubectl for it."""

    url: str
    kubeconfig: Path
    bin: Path

    def client(self) -> httpx.Client:
        """Return a client of the API with all permissions."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {_TOKEN}"}, verify=False, timeout=60, trust_env=False
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return an environment in which ``kubectl`` is the one of this version, for this cluster."""
        path = f"{self.bin}:{os.environ['PATH']}"
        return {"PATH": path, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)}

    def kubectl(self, *arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl until it ends, successfully or not."""
        return subprocess.run(
            ["kubectl", *arguments],
            cwd=cwd,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def apply(self, *resources: dict[str, Any]) -> None:
        """Apply resources that a test needs."""
        done = self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(resources))
        assert done.returncode == 0, done.stderr

    def get(self, path: str) -> dict[str, Any]:
        """Return what the API answers below ``path``, which must exist."""
        with self.client() as client:
            answer = client.get(path)
        assert answer.status_code == 200, answer.text
        loaded: dict[str, Any] = answer.json()
        return loaded


@contextmanager
def running_cluster(root: Path) -> Iterator[Cluster]:
    """Start etcd, the API server and the controller manager; stop them in the end."""
    program, etcd = cluster_program(), _etcd()
    etcd_port, peer_port, api_port, manager_port = free_ports(4)
    (root / "bin").mkdir()
    for name in ("kubectl", "kube-apiserver", "kube-controller-manager"):
        script = root / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {program} {name} "$@"\n')
        script.chmod(0o755)
    cluster = Cluster(f"https://127.0.0.1:{api_port}", _write_kubeconfig(root, api_port), root / "bin")
    key, tokens = root / "service-accounts.pem", root / "tokens.csv"
    key.write_bytes(private_key_pem())
    tokens.write_text(f"{_TOKEN},tester,tester,system:masters\n")
    with ExitStack() as stack:
        client, peer = (f"http://127.0.0.1:{port}" for port in (etcd_port, peer_port))
        urls = [
            f"--{side}-{kind}-urls={url}" for kind, url in (("client", client), ("peer", peer)) for side in ("listen",)
        ]
        urls += [
            f"--advertise-client-urls={client}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]
        stack.enter_context(_process(root, "etcd", [etcd, f"--data-dir={root / 'etcd'}", "--unsafe-no-fsync", *urls]))
        server = stack.enter_context(_process(root, "kube-apiserver", _api_server(root, client, api_port, key, tokens)))
        with cluster.client() as http:
            wait_until(
                lambda: _is_ready(http, server, root / "kube-apiserver.log"),
                what="the API server is ready",
                deadline_s=_READY_S,
                explain=lambda: (root / "kube-apiserver.log").read_text()[-4000:],
            )
        manager: list[str | Path] = [
            root / "bin" / "kube-controller-manager", f"--kubeconfig={cluster.kubeconfig}",
            f"--service-account-private-key-file={key}", f"--secure-port={manager_port}", "--bind-address=127.0.0.1",
            "--leader-elect=false", f"--cert-dir={root / 'manager'}", "--horizontal-pod-autoscaler-sync-period=1s",
        ]  # fmt: skip
        stack.enter_context(_process(root, "kube-controller-manager", manager))
        yield cluster


def _api_server(root: Path, etcd: str, port: int, key: Path, tokens: Path) -> list[str | Path]:
    return [
        root / "bin" / "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        "--advertise-address=127.0.0.1", f"--cert-dir={root / 'certificates'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
    ]  # fmt: skip


def _write_kubeconfig(root: Path, port: int) -> Path:
    file = root / "kubeconfig"
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "tester", "user": {"token": _TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "tester"}}],
        "current-context": "test",
    }
    file.write_text(yaml.safe_dump(content))
    return file


def _is_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-4000:]
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _process(root: Path, name: str, command: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    with (root / f"{name}.log").open("w") as log:
        process = subprocess.Popen([*command], stdout=log, stderr=log, cwd=root)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    cluster_program()
