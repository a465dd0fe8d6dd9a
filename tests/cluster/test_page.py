"""The overlays on a real API server, as docs/how-to/kubernetes.md tells a newcomer: the commands are those of the page.

There is no node. ``fake_kubelet`` says of the pods what a kubelet would say; the API server, its admission and the
controllers are real.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.tools import provide_go
from tests.support.docs.shell_blocks import CLUSTER_KINDS, shell_blocks
from tests.support.kubernetes.cluster import Cluster, running_cluster
from tests.support.kubernetes.fake_kubelet import FakeKubelet, running_kubelet
from tests.support.kubernetes.manifests import ROOT, UPLOADER, VALUES
from tests.support.network.certificates import CertificateAuthority
from tests.support.waiting import wait_until

PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
FAKE_CRD = Path(__file__).parent / "data" / "fake-external-secrets-crd.yaml"
GATEWAY_API = "v1.4.0"
BY_HAND = "kubectl --namespace csv-ingestion create secret generic"
OURS = "/api/v1/namespaces/csv-ingestion"
STATEFUL_SET = f"/apis/apps/v1/namespaces/csv-ingestion/statefulsets/{UPLOADER}"
pytestmark = pytest.mark.timeout(1_800)
Json = dict[str, Any]


@pytest.fixture(scope="session")
def program() -> None:
    """Compile once, outside of every test's own time."""
    from tests.support.kubernetes.cluster import cluster_program

    cluster_program()


@pytest.fixture
def cluster(tmp_path: Path, program: None) -> Iterator[Cluster]:
    """A cluster with the namespaces that the page asks for."""
    root = tmp_path / "cluster"
    root.mkdir()
    with running_cluster(root) as cluster:
        for name in ("airflow", "openhouse"):
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            wait_until(partial(has_account, cluster, name), what=f"pods can be made in {name}", deadline_s=120)
        yield cluster


def has_account(cluster: Cluster, namespace: str) -> bool:
    """Return whether there is the account that pods get; the API server waits 2 s for it, and refuses them then."""
    return cluster.kubectl("get", "serviceaccount", "default", "-n", namespace).returncode == 0


@pytest.fixture
def kubelet(cluster: Cluster) -> Iterator[FakeKubelet]:
    with running_kubelet(cluster) as kubelet:
        yield kubelet


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """Return a directory as the page expects it: the checkout's k8s, and the files that somebody else hands out."""
    directory = tmp_path / "newcomer"
    directory.mkdir()
    (directory / "k8s").symlink_to(ROOT / "k8s")
    authority = CertificateAuthority("openhouse")
    authority.write_certificate(directory / "ca.crt")
    for owner in ("tls", "uploader", "nifi-listen", "airflow"):
        authority.write_server_pair(directory, address="127.0.0.1", names=(f"{owner}.crt", f"{owner}.key"))
    (directory / "client.properties").write_text("security.protocol=SASL_SSL\n")
    return directory


@pytest.fixture
def follow(cluster: Cluster, newcomer: Path) -> Callable[..., str]:
    """Run blocks of the page in their order, as far as ``section``'s end, and return what they printed."""

    def follow(*kinds: str, until: str = "\n## Update", skip: str | None = None) -> str:
        text = PAGE.read_text()
        said = []
        for block in shell_blocks(PAGE):
            before = text.index(block.text) < text.index(until)
            if block.kind not in kinds or not before or (skip and skip in block.text):
                continue
            said.append(run(cluster, newcomer, block.text))
        assert said
        return "\n".join(said)

    return follow


def run(cluster: Cluster, directory: Path, script: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def block_with(text: str) -> str:
    (found,) = [block.text for block in shell_blocks(PAGE) if text in block.text]
    return found


def airflow_pod() -> Json:
    """Return a pod of the shared Airflow as its chart makes it from our values."""
    values = yaml.safe_load(VALUES.read_text())
    container = {
        "name": "scheduler",
        "image": f"{values['images']['airflow']['repository']}:{values['images']['airflow']['tag']}",
        "envFrom": yaml.safe_load(values["extraEnvFrom"]),
        "volumeMounts": values["volumeMounts"],
    }
    spec = {"containers": [container], "volumes": values["volumes"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "scheduler", "namespace": "airflow"}, "spec": spec}


def phase(cluster: Cluster, namespace: str, pod: str) -> str:
    status = cluster.get(f"/api/v1/namespaces/{namespace}/pods/{pod}").get("status", {})
    return str(status.get("phase"))


def test_newcomer_installs_hanoi_by_hand(cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str]) -> None:
    said = follow("cluster")
    assert "condition met" in said
    assert f"statefulset.apps/{UPLOADER}" in said or "rolling update complete" in said
    wait_until(
        lambda: cluster.get(STATEFUL_SET)["status"].get("readyReplicas") == 2,
        what="the autoscaler has made the second replica",
        deadline_s=120,
        explain=lambda: str(kubelet.faults),
    )
    claims = cluster.get(f"{OURS}/persistentvolumeclaims")["items"]
    assert {claim["spec"]["resources"]["requests"]["storage"] for claim in claims} == {"200Gi"}


def test_second_apply_changes_nothing(
    cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str], newcomer: Path
) -> None:
    follow("cluster")
    done = cluster.kubectl("diff", "-k", "k8s/overlays/hanoi", cwd=newcomer)
    assert done.returncode == 0, done.stdout
    again = run(cluster, newcomer, block_with("kubectl apply -k k8s/overlays/hanoi"))
    assert 'job.batch "csv-nifi-flow" deleted' in again
    assert kubelet.faults == []


def test_newcomer_takes_the_secrets_from_a_store(
    cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str]
) -> None:
    cluster.apply(*yaml.safe_load_all(FAKE_CRD.read_text()))
    wait_until(
        lambda: cluster.kubectl("get", "externalsecrets").returncode == 0, what="the kind is known", deadline_s=120
    )
    follow("cluster", "cluster-external-secrets", until="**3. Everything else.**", skip=BY_HAND)
    for namespace, expected in (("csv-ingestion", 10), ("airflow", 4)):
        path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets"
        assert len(cluster.get(path)["items"]) == expected
    assert kubelet.faults == []


def test_overlay_before_the_namespace_is_refused(cluster: Cluster, newcomer: Path) -> None:
    # Why the page begins with the namespace.
    done = cluster.kubectl("apply", "--dry-run=server", "-k", "k8s/overlays/hanoi", cwd=newcomer)
    assert done.returncode == 1
    assert 'namespaces "csv-ingestion" not found' in done.stderr


def test_failed_job_stays_to_be_looked_at(
    cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str], newcomer: Path
) -> None:
    kubelet.failing_jobs.add("csv-nifi-flow")
    follow("cluster", until="**3. Everything else.**")
    run(cluster, newcomer, "kubectl apply -k k8s/overlays/hanoi")
    job = "/apis/batch/v1/namespaces/csv-ingestion/jobs/csv-nifi-flow"
    cluster.kubectl("patch", "job", "csv-nifi-flow", "-n", "csv-ingestion", "-p", '{"spec": {"backoffLimit": 0}}')
    wait_until(
        lambda: (
            any(c["type"] == "Failed" for c in cluster.get(job).get("status", {}).get("conditions", []))
            or cluster.get(job)["status"].get("failed")
        ),
        what="a pod of the Job has failed",
        deadline_s=120,
    )
    pods = cluster.get(f"{OURS}/pods?labelSelector=job-name%3Dcsv-nifi-flow")["items"]
    assert pods, "its log is that of its pod"
    assert "ttlSecondsAfterFinished" not in cluster.get(job)["spec"]


def test_removing_csvpipe_leaves_the_shared_airflow_unchanged(
    cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str], newcomer: Path
) -> None:
    follow("cluster")
    cluster.apply(airflow_pod())
    wait_until(lambda: phase(cluster, "airflow", "scheduler") == "Running", what="Airflow runs", deadline_s=120)
    before = {entry["metadata"]["name"] for entry in cluster.get("/api/v1/namespaces/airflow/secrets")["items"]}
    run(cluster, newcomer, block_with("kubectl delete -k k8s/overlays/hanoi"))
    assert cluster.kubectl("get", "namespace", "csv-ingestion").returncode == 1
    assert cluster.kubectl("get", "configmap", "csv-ingestion-airflow", "-n", "airflow").returncode == 1
    after = {entry["metadata"]["name"] for entry in cluster.get("/api/v1/namespaces/airflow/secrets")["items"]}
    assert after == before
    # A pod that starts now, of whatever team.
    cluster.kubectl("delete", "pod", "scheduler", "-n", "airflow", "--wait=true")
    cluster.apply(airflow_pod())
    wait_until(
        lambda: phase(cluster, "airflow", "scheduler") == "Running",
        what="Airflow runs without us",
        deadline_s=120,
        explain=lambda: str(cluster.get("/api/v1/namespaces/airflow/pods")["items"][0].get("status")),
    )
    assert kubelet.faults == []


def test_pod_that_needs_what_is_missing_does_not_start(cluster: Cluster, kubelet: FakeKubelet) -> None:
    # The stand-in would not notice a shared Airflow that is broken, if it did not tell this.
    pod = airflow_pod()
    pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"].pop("optional")
    cluster.apply(pod)
    wait_until(lambda: phase(cluster, "airflow", "scheduler") == "Pending", what="it waits", deadline_s=120)

    def waits_for_its_configuration() -> bool:
        return "CreateContainerConfigError" in str(cluster.get("/api/v1/namespaces/airflow/pods/scheduler"))

    wait_until(waits_for_its_configuration, what="the reason is told", deadline_s=120)
    assert kubelet.faults == []


def test_node_can_be_drained_while_no_replica_is_ready(
    cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str]
) -> None:
    follow("cluster")
    kubelet.unready = True
    wait_until(
        lambda: not cluster.get(STATEFUL_SET)["status"].get("readyReplicas"), what="none is ready", deadline_s=120
    )
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": f"{UPLOADER}-0"}}
    with cluster.client() as client:

        def evicted() -> bool:
            return client.post(f"{OURS}/pods/{UPLOADER}-0/eviction", json=eviction).status_code == 201

        wait_until(evicted, what="the eviction is allowed", deadline_s=120)
    assert kubelet.faults == []


def test_newcomer_tries_it_on_one_machine(cluster: Cluster, kubelet: FakeKubelet, follow: Callable[..., str]) -> None:
    said = follow("cluster-local", until="## Remove it")
    assert "condition met" in said
    names = {pod["metadata"]["name"] for pod in cluster.get(f"{OURS}/pods")["items"]}
    assert {f"{UPLOADER}-0", "openhouse-kafka-0", "postgresql-0"} <= names
    assert kubelet.faults == []


def test_every_command_of_the_page_that_needs_no_node_is_run() -> None:
    needs_more = re.compile(r"exec|logs|port-forward|taint|--watch|get nodes")
    for block in shell_blocks(PAGE):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("kubectl") and not needs_more.search(line):
                assert block.kind in CLUSTER_KINDS, f"{block.place}: {line}"


def test_gateway_takes_the_route_that_replaces_the_ingress(
    cluster: Cluster, kubelet: FakeKubelet, newcomer: Path
) -> None:
    kinds = gateway_kinds()
    done = cluster.kubectl("apply", "--server-side", *(word for file in kinds for word in ("-f", str(file))))
    assert done.returncode == 0, done.stderr
    (newcomer / "k8s").unlink()
    shutil.copytree(ROOT / "k8s", newcomer / "k8s")
    with (newcomer / "k8s" / "overlays" / "hanoi" / "kustomization.yaml").open("a") as file:
        file.write("components: [../../components/gateway]\n")
    run(cluster, newcomer, "kubectl apply -k k8s/base/namespace")
    wait_until(lambda: cluster.kubectl("get", "httproutes").returncode == 0, what="the kind is known", deadline_s=120)
    run(cluster, newcomer, "kubectl apply --server-side -k k8s/overlays/hanoi")
    route = cluster.get(f"/apis/gateway.networking.k8s.io/v1/namespaces/csv-ingestion/httproutes/{UPLOADER}")
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s"}, "the server keeps what it knows, and drops nothing"
    assert cluster.get("/apis/networking.k8s.io/v1/namespaces/csv-ingestion/ingresses")["items"] == []
    assert kubelet.faults == []


def gateway_kinds() -> list[Path]:
    """Return the definitions of the Gateway API's standard channel, from its own module."""
    module = f"sigs.k8s.io/gateway-api@{GATEWAY_API}"
    command: list[str | Path] = [provide_go(print), "mod", "download", "-json", module]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    directory = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
    return sorted(directory.glob("gateway.networking.k8s.io_*.yaml"))
