"""The uploader's pods, and what routes to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

import csvpipe.client
from tests.support.kubernetes.manifests import ROOT, UPLOADER, Json, Manifests, Pods, selects
from uploader.api.routes import metrics
from uploader.app import create_app
from uploader.assembly import BACKGROUND_STOP_S, PUBLISHER_FLUSH_S
from uploader.reader_settings import ReaderSettings
from uploader.settings import Settings, load_settings

REPLICAS = f"{UPLOADER}-replicas"
GIB = 1024**3
INSIDE_ONLY = {"/chunks", "/health", "/metrics", "/ready"}
"""What people outside the cluster have no use for."""


@pytest.fixture
def settings(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the second replica would have."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    environment = manifests.environment(manifests.uploader(), pod_name=f"{UPLOADER}-1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def gib(quantity: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Gi|Mi)", quantity).groups()  # type: ignore[union-attr]  # a TypeError is as good a failure
    return int(number) / {"Gi": 1, "Mi": 1024}[unit]


def test_prometheus_annotations_name_a_port_and_a_route(manifests: Manifests) -> None:
    pods = manifests.uploader()
    told = pods.owner["spec"]["template"]["metadata"]["annotations"]
    assert told["prometheus.io/scrape"] == "true"
    assert int(told["prometheus.io/port"]) in pods.ports.values()
    assert told["prometheus.io/path"] in {getattr(route, "path", None) for route in metrics.router.routes}


def test_every_variable_is_a_setting_or_part_of_one(manifests: Manifests) -> None:
    pods = manifests.uploader()
    used = {name for v in pods.container["env"] for name in re.findall(r"\$\((\w+)\)", v.get("value", ""))}
    known = {name.upper() for name in Settings.model_fields} | {"PGSSLMODE", "PGSSLROOTCERT"}  # those of libpq
    assert manifests.environment(pods).keys() - known == used - known
    assert used <= manifests.environment(pods).keys()


def test_addresses_outside_of_the_cluster_can_be_set_where_the_page_says(hanoi: Manifests) -> None:
    names = {name.upper() for name in ReaderSettings.model_fields}
    assert {name: hanoi.environment(hanoi.uploader()).get(name) for name in names} == dict.fromkeys(names, "")
    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("|") and all(f"`{name}`" in line for name in names)]


def test_variable_follows_those_that_it_uses(manifests: Manifests) -> None:
    pods = manifests.uploader()
    seen = manifests.environment(Pods({**pods.owner, "spec": {**pods.owner["spec"], "template": without_env(pods)}}))
    for variable in pods.container["env"]:
        assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= seen.keys()
        seen[variable["name"]] = ""


def without_env(pods: Pods) -> Json:
    template = pods.owner["spec"]["template"]
    return {**template, "spec": {**template["spec"], "containers": [{**pods.container, "env": []}]}}


def test_chunk_url_names_the_replica_that_stores_it(manifests: Manifests, settings: Settings) -> None:
    owner, service = manifests.uploader().owner, manifests.get("Service", REPLICAS)
    address = urlsplit(settings.base_url)
    namespace = owner["metadata"]["namespace"]
    assert owner["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["metadata"]["namespace"] == namespace
    assert settings.replica_name == f"{UPLOADER}-1"
    assert address.hostname == f"{UPLOADER}-1.{service['metadata']['name']}.{namespace}.svc.cluster.local"
    # A headless service forwards nothing: the port is the container's.
    assert address.port == settings.api_port == manifests.uploader().ports["http"]


def test_replica_can_be_reached_by_its_name_while_it_is_not_ready(manifests: Manifests) -> None:
    spec = manifests.get("Service", REPLICAS)["spec"]
    assert spec["clusterIP"] == "None"
    assert spec["publishNotReadyAddresses"] is True
    assert "publishNotReadyAddresses" not in manifests.get("Service", UPLOADER)["spec"]


def test_drain_label_removes_a_replica_from_the_service_only(manifests: Manifests) -> None:
    owner = manifests.uploader().owner
    drained = {**manifests.uploader().labels, "csv-ingestion/uploads": "draining"}
    assert not selects(manifests.get("Service", UPLOADER)["spec"]["selector"], drained)
    assert selects(manifests.get("Service", REPLICAS)["spec"]["selector"], drained)
    assert selects(owner["spec"]["selector"]["matchLabels"], drained)


def test_uploader_listens_on_the_port_of_the_probes(manifests: Manifests, settings: Settings) -> None:
    container = manifests.uploader().container
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
    assert set(paths.values()) <= set(create_app(settings=settings).openapi()["paths"])
    assert settings.api_host == "0.0.0.0"


def test_chunks_are_stored_on_the_volume_of_the_replica(manifests: Manifests, settings: Settings) -> None:
    claims = {claim["metadata"]["name"] for claim in manifests.uploader().owner["spec"]["volumeClaimTemplates"]}
    places = {m["mountPath"] for m in manifests.uploader().container["volumeMounts"] if m["name"] in claims}
    assert str(settings.temp_dir) in places


def test_volume_has_room_for_the_largest_file_twice(manifests: Manifests, settings: Settings) -> None:
    # Twice: where the file comes before the fields, it is kept whole, and then cut.
    (claim,) = manifests.uploader().owner["spec"]["volumeClaimTemplates"]
    room = gib(claim["spec"]["resources"]["requests"]["storage"]) * GIB
    # The free room below which uploads are refused is as the settings say: MIN_FREE_DISK_MB.
    assert room > 2 * settings.max_file_size_bytes + settings.min_free_disk_bytes


def test_volume_outlives_its_replica(manifests: Manifests) -> None:
    policy = manifests.uploader().owner["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_replicas_share_one_database_outside_their_volumes(settings: Settings) -> None:
    assert settings.store_url.startswith("postgresql://")


def test_grace_period_is_longer_than_a_stop(manifests: Manifests) -> None:
    pods = manifests.uploader()
    script = pods.container["lifecycle"]["preStop"]["exec"]["command"][-1]
    hook_s = sum(int(seconds) for seconds in re.findall(r"^(?:sleep|timeout) (\d+)", script, re.MULTILINE))
    args = pods.container["args"]
    requests_s = int(args[args.index("--grace") + 1])
    background_s = BACKGROUND_STOP_S + PUBLISHER_FLUSH_S
    assert hook_s == 850
    assert pods.spec["terminationGracePeriodSeconds"] > hook_s + requests_s + background_s


def test_resources_are_as_planned(hanoi: Manifests) -> None:
    assert hanoi.uploader().container["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "1000m", "memory": "2Gi"},
    }


def test_autoscaler_adds_replicas_and_never_removes_one(hanoi: Manifests) -> None:
    spec = hanoi.get("HorizontalPodAutoscaler", UPLOADER)["spec"]
    target = hanoi.uploader().owner
    assert spec["scaleTargetRef"] == {
        "apiVersion": target["apiVersion"],
        "kind": target["kind"],
        "name": target["metadata"]["name"],
    }
    assert spec["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}
    assert 2 == spec["minReplicas"] < spec["maxReplicas"]


def test_autoscaler_asks_for_no_more_than_the_limit(hanoi: Manifests) -> None:
    (metric,) = hanoi.get("HorizontalPodAutoscaler", UPLOADER)["spec"]["metrics"]
    resources = hanoi.uploader().container["resources"]
    requested, limit = (int(resources[k]["cpu"].removesuffix("m")) for k in ("requests", "limits"))
    assert 0.5 * limit < requested * metric["resource"]["target"]["averageUtilization"] / 100 < 0.9 * limit


def test_apply_keeps_the_replicas_of_the_autoscaler(hanoi: Manifests) -> None:
    assert "replicas" not in hanoi.uploader().owner["spec"]


def test_draining_a_node_leaves_a_replica(hanoi: Manifests) -> None:
    spec = hanoi.get("PodDisruptionBudget", UPLOADER)["spec"]
    assert spec["selector"]["matchLabels"] == hanoi.uploader().owner["spec"]["selector"]["matchLabels"]
    assert 0 < spec["maxUnavailable"] < hanoi.get("HorizontalPodAutoscaler", UPLOADER)["spec"]["minReplicas"]
    # Else no node can be drained while Kafka or the database is away: no replica is ready then.
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_single_replica_has_no_disruption_budget(local: Manifests) -> None:
    assert local.of("PodDisruptionBudget") == []
    assert local.of("HorizontalPodAutoscaler") == []


def test_ingress_streams_bodies_of_any_size(manifests: Manifests) -> None:
    annotations = manifests.get("Ingress", UPLOADER)["metadata"]["annotations"]
    short = {name.removeprefix("nginx.ingress.kubernetes.io/"): value for name, value in annotations.items()}
    assert short["proxy-body-size"] == "0"
    assert short["proxy-request-buffering"] == short["proxy-buffering"] == "off"
    assert short["proxy-http-version"] == "1.1"
    assert short["whitelist-source-range"]


def test_ingress_waits_longer_than_the_client(manifests: Manifests) -> None:
    annotations = manifests.get("Ingress", UPLOADER)["metadata"]["annotations"]
    for name in ("proxy-read-timeout", "proxy-send-timeout"):
        assert float(annotations[f"nginx.ingress.kubernetes.io/{name}"]) > csvpipe.client.ANSWER_TIMEOUT_S, name


def test_every_release_of_the_controller_accepts_the_paths(manifests: Manifests) -> None:
    """`strict-validate-path-type` of ingress-nginx 1.12.0 to 1.13.1, internal/ingress/inspector/rules.go."""
    (rule,) = manifests.get("Ingress", UPLOADER)["spec"]["rules"]
    strict = re.compile(r"^/[A-Za-z0-9_\-/]*$")
    checked = [path for path in rule["http"]["paths"] if path["pathType"] in {"Exact", "Prefix"}]
    assert checked
    assert [path["path"] for path in checked if not strict.fullmatch(path["path"])] == []


def test_ingress_leads_to_the_service_and_shows_no_chunks(manifests: Manifests, settings: Settings) -> None:
    (rule,) = manifests.get("Ingress", UPLOADER)["spec"]["rules"]
    shown = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    service = manifests.get("Service", UPLOADER)
    assert all(backend == {"name": UPLOADER, "port": {"name": "http"}} for backend in shown.values())
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]
    # Those of the page and of the documentation are in no OpenAPI document.
    routes = create_app(settings=settings).routes
    calls = {f"/{route.path.split('/')[1]}" for route in routes if isinstance(route, APIRoute | Route)}
    assert {path for path in calls if path in shown} == calls - INSIDE_ONLY


def test_ingress_has_tls_for_its_host_names(hanoi: Manifests) -> None:
    spec = hanoi.get("Ingress", UPLOADER)["spec"]
    assert [host for tls in spec["tls"] for host in tls["hosts"]] == [rule["host"] for rule in spec["rules"]]
