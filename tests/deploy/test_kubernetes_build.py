"""What kustomize makes of the overlays: valid, within policy, labelled, pinned."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from stack.versions import version
from tests.support.checkov import run_checkov
from tests.support.kubernetes.manifests import (
    K8S,
    LABELS,
    OLDEST_KUBERNETES,
    ROOT,
    VALUES,
    Manifests,
    load_external_secrets,
    load_overlay,
)

RELEASE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

DIGEST = "Tags are readable, and the registry has to refuse a second push of one (docs/how-to/kubernetes.md)."
PULL = "A pinned tag is the same image: a node that has it starts a pod without the registry."
VARIABLES = "Our settings, and those of the images that others make, are environment variables; no file is read."
OTHERS_UID = "The image's files belong to this user; the overlay for one machine alone has it."
WRITES = "Kafka's image writes its configuration beside its programs; the overlay for one machine alone has it."
ALL = frozenset({"fastapi-csv-uploader", "csv-kafka-topics", "csv-nifi-flow", "openhouse-kafka", "postgresql"})
EXCEPTIONS = {
    "CKV_K8S_43": (DIGEST, ALL),
    "CKV_K8S_15": (PULL, ALL),
    "CKV_K8S_35": (VARIABLES, {"fastapi-csv-uploader", "csv-nifi-flow", "postgresql"}),
    "CKV_K8S_40": (OTHERS_UID, {"openhouse-kafka", "postgresql"}),
    "CKV_K8S_22": (WRITES, {"openhouse-kafka"}),
}
"""Findings of checkov that we live with: why, and for which resources."""


@pytest.mark.parametrize("release", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
def test_every_resource_is_valid_by_the_schemas_of_kubernetes(manifests: Manifests, release: str) -> None:
    for resource in manifests.resources:
        kubernetes_validate.validate(resource, release, strict=True)


def test_findings_of_the_policy_check_are_those_that_are_explained(manifests: Manifests, tmp_path: Path) -> None:
    (tmp_path / "resources.yaml").write_text(yaml.safe_dump_all(manifests.resources))
    found = {(check.name, check.resource.rpartition(".")[2]) for check in run_checkov(tmp_path, "kubernetes")}
    here = {pods.owner["metadata"]["name"] for pods in manifests.pods()}
    assert found == {(name, resource) for name, (_, resources) in EXCEPTIONS.items() for resource in resources & here}


def named_files(kustomization: Path) -> set[Path]:
    content = yaml.safe_load(kustomization.read_text())
    names = [*content.get("resources", []), *(patch["path"] for patch in content.get("patches", []))]
    return {(kustomization.parent / name).resolve() for name in names if name.endswith(".yaml")}


def test_every_file_is_used_and_holds_one_resource() -> None:
    kustomizations = set(K8S.rglob("kustomization.yaml"))
    files = set(K8S.rglob("*.yaml")) - kustomizations - {VALUES}
    assert files == {file for kustomization in kustomizations for file in named_files(kustomization)}
    for file in files:
        (resource,) = yaml.safe_load_all(file.read_text())
        assert resource


def test_every_directory_of_the_base_is_in_an_overlay() -> None:
    used = {
        Path(resource).name
        for overlay in (K8S / "overlays").glob("*/kustomization.yaml")
        for resource in yaml.safe_load(overlay.read_text())["resources"]
        if "/base/" in resource
    }
    assert used == {path.name for path in (K8S / "base").iterdir()}


def test_resources_and_pods_have_the_recommended_labels(manifests: Manifests) -> None:
    for resource in manifests.resources:
        assert resource["metadata"]["labels"].keys() >= LABELS, resource["metadata"]["name"]
    for pods in manifests.pods():
        assert pods.labels.keys() >= LABELS, pods.place


def test_volume_claims_have_no_labels_that_a_release_changes(manifests: Manifests) -> None:
    claims = [claim for owner in manifests.of("StatefulSet") for claim in owner["spec"]["volumeClaimTemplates"]]
    assert claims
    assert [claim["metadata"] for claim in claims if "labels" in claim["metadata"]] == []


def test_images_are_pinned_to_a_version(manifests: Manifests) -> None:
    for pods in manifests.pods():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.[\w.-]+", pods.container["image"]), pods.place


def test_images_are_those_of_this_release_and_of_the_local_stack(manifests: Manifests) -> None:
    images = {pods.place: pods.container["image"].rpartition("/")[2] for pods in manifests.pods()}
    expected = {
        "StatefulSet/fastapi-csv-uploader": f"csvpipe-uploader:{RELEASE}",
        "Job/csv-nifi-flow": f"csvpipe-uploader:{RELEASE}",
        "Job/csv-kafka-topics": f"kafka:{version('kafka')}",
        "StatefulSet/openhouse-kafka": f"kafka:{version('kafka')}",
    }
    assert {place: image for place, image in images.items() if expected.get(place, image) != image} == {}
    assert {r["metadata"]["labels"]["app.kubernetes.io/version"] for r in manifests.resources} == {RELEASE}


def test_names_are_those_of_the_plan(hanoi: Manifests) -> None:
    assert hanoi.get("StatefulSet", "fastapi-csv-uploader")
    assert hanoi.get("Service", "fastapi-csv-uploader")
    assert hanoi.get("ConfigMap", "csv-uploader-config")
    text = yaml.safe_dump_all(hanoi.resources)
    assert "openhouse-kafka" in text
    assert "openhouse-nifi" in text
    assert ("airflow", "nifi-credentials") in {
        (secret["metadata"]["namespace"], secret["metadata"]["name"]) for secret in load_external_secrets()
    }


def test_overlay_for_one_machine_has_one_small_replica() -> None:
    spec = load_overlay("local").uploader().owner["spec"]
    assert spec["replicas"] == 1
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"
