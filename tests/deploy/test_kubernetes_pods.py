"""All pods: what they may, and that all they refer to is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kubernetes.manifests import Json, Manifests, Pods, load_external_secrets, selects

OF_OTHERS = {"openhouse-nifi-csv-ingest"}
"""A Service and a policy whose pods are not ours."""
SECRETS_BY_HAND = {"csv-uploader-tls"}
"""Made by whoever makes certificates in the cluster."""


def probes(pods: Pods) -> Iterator[Json]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in pods.container:
            yield pods.container[name]


def test_pods_run_as_non_root(manifests: Manifests) -> None:
    """The namespace requires it; checkov is content with a ``runAsUser``."""
    for pods in manifests.pods():
        assert pods.spec["securityContext"]["runAsNonRoot"] is True, pods.place


def test_our_image_runs_as_its_user_on_a_read_only_root(manifests: Manifests) -> None:
    ours = [pods for pods in manifests.pods() if "csvpipe-uploader:" in pods.container["image"]]
    assert ours
    for pods in ours:
        assert pods.spec["securityContext"]["runAsUser"] == 10001
        assert pods.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert manifests.uploader().spec["securityContext"]["fsGroup"] == 10001


def test_namespace_enforces_the_restricted_level(manifests: Manifests) -> None:
    labels = manifests.get("Namespace", "csv-ingestion")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_ports_of_probes_and_services_are_named_ports_of_containers(manifests: Manifests) -> None:
    for pods in manifests.pods():
        for probe in probes(pods):
            asked = {kind["port"] for kind in probe.values() if isinstance(kind, dict) and "port" in kind}
            assert asked <= pods.ports.keys(), pods.place
    for service in manifests.of("Service"):
        if service["metadata"]["name"] in OF_OTHERS:
            continue
        (pods,) = selected(manifests, service["spec"]["selector"], service["metadata"]["namespace"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= pods.ports.keys()


def selected(manifests: Manifests, selector: dict[str, str], namespace: str) -> list[Pods]:
    return [pods for pods in manifests.pods() if pods.namespace == namespace and selects(selector, pods.labels)]


def test_selectors_of_services_policies_and_owners_select_pods(manifests: Manifests) -> None:
    for resource in manifests.resources:
        spec, name = resource.get("spec", {}), resource["metadata"]["name"]
        selector = {
            "Service": lambda spec: spec["selector"],
            "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels", {}),
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "StatefulSet": lambda spec: spec["selector"]["matchLabels"],
        }.get(resource["kind"])
        if selector is None or name in OF_OTHERS:
            continue
        assert selected(manifests, selector(spec), resource["metadata"]["namespace"]), (resource["kind"], name)


def test_pods_of_one_owner_are_not_selected_by_another(manifests: Manifests) -> None:
    for owner in manifests.of("StatefulSet"):
        found = selected(manifests, owner["spec"]["selector"]["matchLabels"], owner["metadata"]["namespace"])
        assert [pods.owner["metadata"]["name"] for pods in found] == [owner["metadata"]["name"]]


def test_service_accounts_exist_and_bring_no_token(manifests: Manifests) -> None:
    accounts = {(a["metadata"]["namespace"], a["metadata"]["name"]): a for a in manifests.of("ServiceAccount")}
    named = {(p.namespace, p.spec["serviceAccountName"]) for p in manifests.pods() if "serviceAccountName" in p.spec}
    assert named == accounts.keys()
    assert [a for a in accounts.values() if a["automountServiceAccountToken"] is not False] == []


def test_config_maps_of_pods_exist_in_their_namespace(manifests: Manifests) -> None:
    there = {(c["metadata"]["namespace"], c["metadata"]["name"]) for c in manifests.of("ConfigMap")}
    named = {
        (pods.namespace, source["configMapRef"]["name"])
        for pods in manifests.pods()
        for source in pods.container.get("envFrom", [])
    }
    assert named
    assert named <= there


def secret_keys(pods: Pods) -> Iterator[tuple[str, str, str]]:
    for variable in pods.container.get("env", []):
        if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
            yield pods.namespace, reference["name"], reference["key"]
    for volume in pods.spec.get("volumes", []):
        for item in volume.get("secret", {}).get("items", []):
            yield pods.namespace, volume["secret"]["secretName"], item["key"]


def keys_of(spec: Json) -> set[str]:
    """Return the keys of the secret that the operator makes: those of its template, where it has one."""
    fetched = {entry["secretKey"] for entry in spec["data"]}
    return set(spec["target"].get("template", {}).get("data", fetched))


def provided(manifests: Manifests) -> set[tuple[str, str, str]]:
    secrets = {(s["metadata"]["namespace"], s["metadata"]["name"]): s["data"].keys() for s in manifests.of("Secret")}
    if manifests.overlay == "hanoi":
        secrets |= {
            (s["metadata"]["namespace"], s["spec"]["target"]["name"]): keys_of(s["spec"])
            for s in load_external_secrets()
        }
    return {(*place, key) for place, keys in secrets.items() for key in keys}


def test_keys_of_secrets_that_pods_read_are_provided(manifests: Manifests) -> None:
    wanted = {key for pods in manifests.pods() for key in secret_keys(pods)}
    assert wanted
    assert wanted <= provided(manifests)


def test_secrets_contain_only_keys_that_pods_read(manifests: Manifests) -> None:
    ours = {key for key in provided(manifests) if key[0] == "csv-ingestion"}
    assert ours == {key for pods in manifests.pods() for key in secret_keys(pods)}


def test_cluster_overlay_contains_no_secret(hanoi: Manifests) -> None:
    assert hanoi.of("Secret") == []
    referred = {tls["secretName"] for ingress in hanoi.of("Ingress") for tls in ingress["spec"]["tls"]}
    assert referred == SECRETS_BY_HAND


def test_every_volume_is_mounted_and_every_mount_has_a_volume(manifests: Manifests) -> None:
    for pods in manifests.pods():
        claims = {claim["metadata"]["name"] for claim in pods.owner["spec"].get("volumeClaimTemplates", [])}
        volumes = claims | {volume["name"] for volume in pods.spec.get("volumes", [])}
        assert {mount["name"] for mount in pods.container.get("volumeMounts", [])} == volumes, pods.place


def test_jobs_end_and_keep_their_log(manifests: Manifests) -> None:
    for job in manifests.of("Job"):
        assert "ttlSecondsAfterFinished" not in job["spec"]
        assert job["spec"]["activeDeadlineSeconds"] > 0
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_every_image_of_the_cluster_comes_from_one_registry_with_its_credentials(hanoi: Manifests) -> None:
    assert {pods.container["image"].partition("/")[0] for pods in hanoi.pods()} == {"registry.example.com"}
    for pods in hanoi.pods():
        assert pods.spec["imagePullSecrets"] == [{"name": "csv-ingestion-registry"}], pods.place


@pytest.mark.parametrize("kind", ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"])
def test_no_permissions_on_the_cluster_are_granted(manifests: Manifests, kind: str) -> None:
    assert manifests.of(kind) == []
