"""What the Airflow of the cluster is given: connections, the allow-list, the DAGs themselves."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dags.modules import settings as dag_settings
from dags.modules.allowed_hosts import AllowedAddress, parse_allowed_hosts
from dags.modules.kafka_listener import load_kafka_config
from dags.modules.settings import load_settings
from nifi.environment import load_environment
from tests.support.kubernetes.manifests import ROOT, UPLOADER, VALUES, Json, Manifests, load_external_secrets

DOCKERFILE = (ROOT / "Dockerfile").read_text()
NIFI_PATH = "csv-ingest"
CONNECTION = "AIRFLOW_CONN_"


@pytest.fixture
def values() -> Json:
    """The values of Airflow's Helm chart."""
    loaded: Json = yaml.safe_load(VALUES.read_text())
    return loaded


def filled(template: str) -> dict[str, Any]:
    """Return a connection as the operator would render it, each secret being its own name."""
    text = re.sub(r"\{\{ \.(\w+) \| toJson \}\}", lambda match: json.dumps(match[1]), template)
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def secrets() -> dict[str, dict[str, str]]:
    """Return the templates of the secrets in Airflow's namespace."""
    return {
        secret["metadata"]["name"]: secret["spec"]["target"].get("template", {}).get("data", {})
        for secret in load_external_secrets()
        if secret["metadata"]["namespace"] == "airflow"
    }


def config(hanoi: Manifests) -> dict[str, str]:
    data: dict[str, str] = hanoi.get("ConfigMap", "csv-ingestion-airflow")["data"]
    return data


@pytest.fixture
def connections(hanoi: Manifests) -> dict[str, dict[str, Any]]:
    """Every connection by its id."""
    texts = config(hanoi) | {name: text for templates in secrets().values() for name, text in templates.items()}
    return {
        name.removeprefix(CONNECTION).lower(): filled(text)
        for name, text in texts.items()
        if name.startswith(CONNECTION)
    }


def test_connections_are_those_of_the_dags(connections: dict[str, dict[str, Any]]) -> None:
    wanted = {getattr(dag_settings, name) for name in dir(dag_settings) if name.startswith("CONN_")}
    assert connections.keys() == wanted - {dag_settings.CONN_ALERTS}


def test_template_of_a_secret_uses_what_is_fetched_for_it() -> None:
    for secret in load_external_secrets():
        fetched = {entry["secretKey"] for entry in secret["spec"]["data"]}
        template = secret["spec"]["target"].get("template", {}).get("data", {})
        used = {name for text in template.values() for name in re.findall(r"\{\{ \.(\w+) ", text)}
        assert not template or used == fetched, secret["metadata"]["name"]


def test_no_secret_is_in_the_config_map(hanoi: Manifests) -> None:
    for name, text in config(hanoi).items():
        assert "password" not in text, name


def test_listener_accepts_the_kafka_connection(
    hanoi: Manifests, connections: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections[dag_settings.CONN_KAFKA]
    monkeypatch.setenv(f"{CONNECTION}{dag_settings.CONN_KAFKA.upper()}", json.dumps(connection))
    loaded = load_kafka_config()
    assert loaded["bootstrap.servers"] == hanoi.environment(hanoi.uploader())["KAFKA_BROKER"]
    assert (loaded["security.protocol"], loaded["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")


def test_every_other_name_is_a_setting_or_the_variable_of_the_dags(hanoi: Manifests) -> None:
    variable = f"AIRFLOW_VAR_{dag_settings.VARIABLE_ALLOWED_HOSTS.upper()}"
    names = {name for name in config(hanoi) if not name.startswith(CONNECTION)} - {variable}
    fields = {f"CSV_INGESTION_{name.upper()}" for name in dag_settings.Settings.__dataclass_fields__}
    assert variable in config(hanoi)
    assert names <= fields
    load_settings(config(hanoi))


def test_only_chunks_of_replicas_may_be_fetched(hanoi: Manifests) -> None:
    allowed = parse_allowed_hosts(config(hanoi)[f"AIRFLOW_VAR_{dag_settings.VARIABLE_ALLOWED_HOSTS.upper()}"])
    for ordinal in (0, 1, 12):
        environment = hanoi.environment(hanoi.uploader(), pod_name=f"{UPLOADER}-{ordinal}")
        address = urlsplit(environment["API_BASE_URL"])
        replica = AllowedAddress(address.scheme, str(address.hostname), address.port or 443)
        assert allowed.allow(replica)
        assert not allowed.allow(replica._replace(scheme="http"))
        assert not allowed.allow(replica._replace(port=8443))
    assert not allowed.allow(replica._replace(host="openhouse-nifi.openhouse.svc.cluster.local"))


def test_addresses_of_nifi_and_the_store_match_the_flow(connections: dict[str, dict[str, Any]]) -> None:
    environment = load_environment("hanoi", environ={})
    nifi, store = connections[dag_settings.CONN_NIFI], connections[dag_settings.CONN_S3]
    assert f"{nifi['schema']}://{nifi['host']}:{nifi['port']}" == environment.url
    assert store["extra"]["endpoint_url"] == environment.parameters["s3.endpoint"]
    assert store["extra"]["bucket"] == environment.parameters["s3.bucket"]
    assert store["extra"]["region_name"] == environment.parameters["s3.region"]


def test_listener_port_is_none_of_nifis_own() -> None:
    environment = load_environment("hanoi", environ={})
    # What start.sh of the official image sets unless the environment says otherwise, and the web interface.
    of_nifi = {"site-to-site": 10000, "cluster": 11443, "load balancing": 6342, "debugger": 8000}
    of_nifi["web"] = urlsplit(str(environment.url)).port or 8443
    assert int(environment.parameters["listen.port"]) not in of_nifi.values()


def test_messages_go_to_the_service_of_the_flows_listener(
    hanoi: Manifests, connections: dict[str, dict[str, Any]]
) -> None:
    address = urlsplit(connections[dag_settings.CONN_NIFI]["extra"]["listen_url"])
    service = hanoi.get("Service", "openhouse-nifi-csv-ingest")
    (port,) = service["spec"]["ports"]
    place = service["metadata"]
    assert address.hostname == f"{place['name']}.{place['namespace']}.svc.cluster.local"
    assert address.port == port["port"] == port["targetPort"]
    assert str(port["targetPort"]) == load_environment("hanoi", environ={}).parameters["listen.port"]
    assert address.path == f"/{NIFI_PATH}"
    assert f'"{NIFI_PATH}"' in (ROOT / "nifi" / "flow" / "csv-ingestion-raw-to-minio.json").read_text()


def test_chart_gives_every_process_the_config_map_and_the_secrets(hanoi: Manifests, values: Json) -> None:
    sources = yaml.safe_load(values["extraEnvFrom"])
    assert [s["configMapRef"]["name"] for s in sources if "configMapRef" in s] == ["csv-ingestion-airflow"]
    assert hanoi.get("ConfigMap", "csv-ingestion-airflow")["metadata"]["namespace"] == "airflow"
    with_variables = {name for name, templates in secrets().items() if templates}
    assert {s["secretRef"]["name"] for s in sources if "secretRef" in s} == with_variables


def test_shared_airflow_starts_without_our_objects(values: Json) -> None:
    # It has other users: one that is missing (taken away, or not made yet) would be CreateContainerConfigError for all.
    references = [next(iter(source.values())) for source in yaml.safe_load(values["extraEnvFrom"])]
    references += [next(v for k, v in volume.items() if k != "name") for volume in values["volumes"]]
    assert len(references) == 5
    assert [reference for reference in references if reference.get("optional") is not True] == []


def test_chart_mounts_every_file_that_a_connection_names(values: Json, connections: dict[str, dict[str, Any]]) -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in values["volumeMounts"]}
    there = {
        f"{mounts[volume['name']]}/{entry['secretKey']}"
        for volume in values["volumes"]
        for secret in load_external_secrets()
        if (secret["metadata"]["namespace"], secret["metadata"]["name"]) == ("airflow", volume["secret"]["secretName"])
        for entry in secret["spec"]["data"]
    }
    named = {
        value
        for connection in connections.values()
        for value in connection.get("extra", {}).values()
        if str(value).startswith("/")
    }
    assert named == there


def test_chart_syncs_the_release_and_puts_its_root_on_the_path(values: Json, hanoi: Manifests) -> None:
    sync = values["dags"]["gitSync"]
    release = hanoi.uploader().labels["app.kubernetes.io/version"]
    assert sync["enabled"] is True
    assert sync["ref"] == f"v{release}"
    assert list((ROOT / sync["subPath"]).glob("*_dag.py"))
    assert {"name": "PYTHONPATH", "value": "/opt/airflow/dags/repo"} in values["env"]


def test_chart_runs_the_airflow_that_the_dockerfile_builds_on(values: Json) -> None:
    assert f"FROM apache/airflow:{values['images']['airflow']['tag']}-" in DOCKERFILE
