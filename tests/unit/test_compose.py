"""docker-compose.yml and the Dockerfile: ``docker compose config`` where the plugin is there, and checks of our own.

The name of the first test says which of the two ran.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from contracts.names import BUCKET_RAW, TOPIC_DEAD_LETTER, TOPIC_INGEST
from csvpipe.app import COMMANDS
from dags.modules import settings as dag_settings
from nifi.environment import load_environment
from uploader.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VERSIONS = tomllib.loads((ROOT / "stack" / "versions.toml").read_text())
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")
SERVICE_KEYS = {
    "build", "command", "depends_on", "entrypoint", "environment", "healthcheck", "hostname", "image", "networks",
    "ports", "restart", "volumes",
}  # fmt: skip
Json = dict[str, Any]


def has_compose_plugin() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0


def load() -> Json:
    """Read the file as Compose would with no variable set."""
    loaded: Json = yaml.safe_load(VARIABLE.sub(lambda match: match[2] or "", TEXT).replace("$$", "$"))
    return loaded


COMPOSE = load()
SERVICES: dict[str, Json] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


@pytest.mark.parametrize("check", ["docker compose config" if has_compose_plugin() else "stand-in"])
def test_compose_file_is_accepted(check: str) -> None:
    if check == "docker compose config":
        command = ["docker", "compose", "config", "--quiet"]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "volumes"}
    assert {key for service in SERVICES.values() for key in service} <= SERVICE_KEYS


def test_every_variable_has_a_default() -> None:
    assert [match[1] for match in VARIABLE.finditer(TEXT) if match[2] is None] == []


@each_service
def test_image_is_pinned_or_built_from_a_stage_that_exists(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].rpartition(":")[2]
    assert re.search(r"\d", tag), service["image"]
    if "build" in service:
        assert f" AS {service['build']['target']}\n" in DOCKERFILE
        assert (ROOT / service["build"]["context"] / "Dockerfile").is_file()


@each_service
def test_dependencies_exist_and_can_become_what_is_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert SERVICES[other]["healthcheck"]["test"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


def test_nobody_waits_in_a_circle() -> None:
    waiting = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while free := {name for name, needs in waiting.items() if not needs}:
        waiting = {name: needs - free for name, needs in waiting.items() if name not in free}
    assert waiting == {}


@each_service
def test_service_runs_for_ever_and_says_how_it_is_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "no" or (service["restart"] == "unless-stopped" and "healthcheck" in service)


def test_volumes_are_declared_and_used_and_paths_exist() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    assert [mount for mount in mounts if mount.startswith(".") and not (ROOT / mount).exists()] == []


def test_ports_are_unique_and_reachable_from_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len({port.split(":")[1] for port in ports}) == len(ports)
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_versions_are_those_of_the_local_stack() -> None:
    assert (
        SERVICES["kafka"]["image"]
        == SERVICES["kafka-topics"]["image"]
        == f"apache/kafka:{VERSIONS['kafka']['version']}"
    )
    assert SERVICES["nifi"]["image"] == f"apache/nifi:{VERSIONS['nifi']['version']}"
    airflow = version("apache-airflow")
    assert SERVICES["airflow-scheduler"]["image"].endswith(f":{airflow}")
    assert f"FROM apache/airflow:{airflow}-" in DOCKERFILE
    for package in ("apache-airflow", "apache-airflow-providers-apache-kafka"):
        assert f"{package}=={version(package)}" in DOCKERFILE


def test_uploader_knows_every_variable_it_is_given_and_starts_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = SERVICES["uploader"]["environment"] | dict(re.findall(r"(API_HOST|TEMP_DIR)=(\S+)", DOCKERFILE))
    assert {name for name in given if name.lower() not in Settings.model_fields} == set()
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    settings = load_settings()
    assert settings.base_url == "http://uploader:8000"
    assert str(settings.temp_dir) == SERVICES["uploader"]["volumes"][0].split(":")[1]


@pytest.mark.parametrize("name", ["uploader", "nifi-flow"])
def test_command_of_our_image_is_one_that_we_have(name: str) -> None:
    assert SERVICES[name]["command"][0] in {spec.name for spec in COMMANDS}


def airflow_environment() -> Json:
    environment: Json = SERVICES["airflow-scheduler"]["environment"]
    return environment


def test_airflow_has_the_connections_that_the_dags_ask_for() -> None:
    connections = {
        name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(value)
        for name, value in airflow_environment().items()
        if name.startswith("AIRFLOW_CONN_")
    }
    wanted = {getattr(dag_settings, name) for name in dir(dag_settings) if name.startswith("CONN_")}
    assert set(connections) == wanted - {dag_settings.CONN_ALERTS}
    assert connections[dag_settings.CONN_KAFKA]["extra"]["enable.auto.commit"] is False
    assert connections[dag_settings.CONN_S3]["extra"]["bucket"] == BUCKET_RAW
    assert {connections[name]["host"] for name in (dag_settings.CONN_NIFI, dag_settings.CONN_AIRFLOW)} <= set(SERVICES)


def test_airflow_may_fetch_from_the_uploader_and_from_nobody_else() -> None:
    allowed = airflow_environment()[f"AIRFLOW_VAR_{dag_settings.VARIABLE_ALLOWED_HOSTS.upper()}"]
    assert f"http://{allowed}" == SERVICES["uploader"]["environment"]["API_BASE_URL"]


def test_airflow_imports_the_dags_as_they_are_mounted() -> None:
    environment, mounts = airflow_environment(), SERVICES["airflow-scheduler"]["volumes"]
    assert f"./dags:{environment['AIRFLOW__CORE__DAGS_FOLDER']}:ro" in mounts
    for package in ("contracts", "tracing"):
        assert f"./{package}:{environment['PYTHONPATH']}/{package}:ro" in mounts
    assert len(base64.urlsafe_b64decode(environment["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert dag_settings.POOL_MONITORING in SERVICES["airflow-init"]["command"][0]


def test_flow_is_deployed_with_the_addresses_of_the_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    command, given = SERVICES["nifi-flow"]["command"], SERVICES["nifi-flow"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = load_environment(command[command.index("--environment") + 1], environ=given)
    assert set(environment.secret_variables) <= set(environment.parameters)
    for address in (environment.url, environment.parameters["s3.endpoint"]):
        assert urlsplit(address).hostname in SERVICES
    assert str(SERVICES["nifi"]["environment"]["NIFI_WEB_HTTP_PORT"]) == str(urlsplit(environment.url).port)
    chunk = f"{SERVICES['uploader']['environment']['API_BASE_URL']}/chunks/{'0' * 32}/1/download"
    assert re.fullmatch(environment.parameters["source.url.pattern"], chunk)


def test_topics_are_made_with_the_names_and_partitions_of_the_contract() -> None:
    script = SERVICES["kafka-topics"]["command"][0]
    partitions = Settings.model_fields["kafka_partitions"].default
    assert f"make {TOPIC_INGEST} {partitions}\n" in script
    assert f"make {TOPIC_DEAD_LETTER} 1\n" in script


def test_kafka_is_where_the_uploader_looks_for_it() -> None:
    broker = SERVICES["uploader"]["environment"]["KAFKA_BROKER"]
    assert broker == Settings.model_fields["kafka_broker"].default
    assert broker.partition(":")[0] in SERVICES["kafka"]["networks"]["default"]["aliases"]
    assert f"PLAINTEXT://{broker}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_image_copies_every_package_and_the_context_lets_it() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for package in packages:
        assert f"COPY {package} {package}\n" in DOCKERFILE
        assert f"!{package}" in ignored
