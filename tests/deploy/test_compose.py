"""docker-compose.yml and the Dockerfile, as far as they can be checked without an engine: what they say of each other.

Compose's own loader and schema are in test_compose_loader.py.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from contracts.names import BUCKET_RAW, TOPIC_DEAD_LETTER, TOPIC_INGEST
from csvpipe.app import COMMANDS
from csvpipe.commands.serve import command as serve
from dags.modules import settings as dag_settings
from nifi.definition import load_flow, referenced_parameters
from nifi.environment import load_environment
from sequencer.settings import JobSettings
from sequencer.settings import load_settings as load_job_settings
from tests.support.containers.compose_file import COMPOSE, SERVICES, TEXT, VARIABLE, environment_of
from tests.support.signatures import FAKE_SIGNATURE
from uploader.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VERSIONS = tomllib.loads((ROOT / "stack" / "versions.toml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FROM = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


@each_service
def test_service_and_all_that_it_waits_for_start_with_each_of_its_profiles(name: str) -> None:
    profiles = set(SERVICES[name]["profiles"])
    assert profiles <= {"core", "sequencing", "monitoring"}
    for other in SERVICES[name].get("depends_on", {}):
        assert profiles <= set(SERVICES[other]["profiles"]), other


def test_every_variable_has_a_default_and_is_in_env_example() -> None:
    assert [match[1] for match in VARIABLE.finditer(TEXT) if match[2] is None] == []
    example = (ROOT / ".env.example").read_text()
    assert {match[1] for match in VARIABLE.finditer(TEXT)} <= set(re.findall(r"^#(\w+)=", example, re.MULTILINE))


@each_service
def test_image_is_pinned_or_built_from_a_stage_that_exists(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].rpartition(":")[2]
    assert re.search(r"\d", tag), service["image"]
    if "build" in service:
        assert f" AS {service['build']['target']}\n" in DOCKERFILE
        assert (ROOT / service["build"]["context"] / "Dockerfile").is_file()


@each_service
def test_dependencies_exist_and_can_reach_the_awaited_condition(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert SERVICES[other]["healthcheck"]["test"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@each_service
def test_service_that_runs_once_is_waited_for(name: str) -> None:
    # `up --wait` takes an end with 0 as a success only of what another service waits for.
    waited_for = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert SERVICES[name]["restart"] != "no" or name in waited_for


def test_dependencies_have_no_cycle() -> None:
    waiting = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while free := {name for name, needs in waiting.items() if not needs}:
        waiting = {name: needs - free for name, needs in waiting.items() if name not in free}
    assert waiting == {}


@each_service
def test_service_has_a_health_check_or_ends(name: str) -> None:
    service = SERVICES[name]
    if service["restart"] == "unless-stopped":
        assert ("healthcheck" in service) != bool(service.get("x-no-healthcheck"))
    else:
        assert service["restart"] in {"no", "on-failure:5"}


def test_volumes_are_declared_and_used_and_paths_exist() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    assert [mount for mount in mounts if mount.startswith(".") and not (ROOT / mount).exists()] == []


def test_ports_are_unique_and_local() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len({port.split(":")[1] for port in ports}) == len(ports)
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_versions_are_those_of_the_local_stack() -> None:
    assert (
        SERVICES["kafka"]["image"]
        == SERVICES["kafka-topics"]["image"]
        == f"apache/kafka:{VERSIONS['kafka']['version']}"
    )
    nifi, minio = VERSIONS["nifi"]["version"], VERSIONS["minio"]["version"]
    assert SERVICES["nifi"]["image"] == f"csvpipe-nifi:{nifi}"
    assert argument("NIFI_IMAGE") == f"apache/nifi:{nifi}"
    assert argument("MINIO_VERSION") == minio
    assert SERVICES["minio"]["image"] == f"csvpipe-minio:{minio.split('-')[1][:8]}"
    airflow = version("apache-airflow")
    assert SERVICES["airflow-scheduler"]["image"].endswith(f":{airflow}")
    assert f"FROM apache/airflow:{airflow}-" in DOCKERFILE
    for package in ("apache-airflow", "apache-airflow-providers-apache-kafka"):
        assert f"{package}=={version(package)}" in DOCKERFILE


def argument(name: str) -> str:
    """Return the default of an argument of the Dockerfile."""
    (value,) = re.findall(rf"^ARG {name}=(\S+)$", DOCKERFILE, re.MULTILINE)
    return str(value)


def test_uploader_knows_every_variable_it_is_given_and_starts_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment_of("uploader") | image_environment("uploader")
    assert {name for name in given if name.lower() not in Settings.model_fields} == set()
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    settings = load_settings()
    assert settings.base_url == "http://uploader:8000"
    assert str(settings.temp_dir) == SERVICES["uploader"]["volumes"][0].split(":")[1]


def test_sequencer_knows_every_variable_it_is_given_and_starts_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # SOURCE, KAFKA_TOPIC and JOB_ID have no default: they are the job.
    given = environment_of("sequencer") | image_environment("sequencer")
    unknown = {name for name in given if name.lower() not in JobSettings.model_fields}
    assert unknown == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "these are boto3's own"
    job = {"SOURCE": "s3://raw/big.csv", "KAFKA_TOPIC": "rows", "JOB_ID": "big"}
    assert [name for name in job if name in given] == []
    for name, value in (given | job).items():
        monkeypatch.setenv(name, str(value))
    settings = load_job_settings()
    settings.check_complete()
    assert settings.job_id == "big"
    assert settings.librdkafka == "", "the library that the tests have"


def test_checkpoint_file_is_on_the_volume() -> None:
    (mount,) = SERVICES["sequencer"]["volumes"]
    assert image_environment("sequencer")["CHECKPOINT_FILE"].startswith(mount.split(":")[1] + "/")


@pytest.mark.parametrize("name", ["uploader", "sequencer"])
def test_service_has_enough_time_to_stop(name: str) -> None:
    grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    serving_s = inspect.signature(serve).parameters["grace"].default
    assert grace_s > {"uploader": serving_s, "sequencer": JobSettings.model_fields["stop_within_s"].default}[name]


@pytest.mark.parametrize("name", ["uploader", "nifi-flow", "minio-bucket", "sequencer"])
def test_our_image_runs_a_command_of_its_own_on_a_read_only_root(name: str) -> None:
    service = SERVICES[name]
    (extra,) = [spec.extra for spec in COMMANDS if spec.name == service["command"][0]]
    installed = re.findall(r"--no-editable (.*);", stage_of(f"build-{service['build']['target']}"))
    assert set(filter(None, extra.split(","))) <= set(re.findall(r"--extra (\S+)", installed[0].replace(";", " ")))
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ["uploader", "minio"])
def test_health_check_is_that_of_the_image(name: str) -> None:
    (command,) = re.findall(r"HEALTHCHECK .* CMD (\[.*\])", stage_of(name))
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", *json.loads(command)]


def stage_of(target: str) -> str:
    """Return the lines of a stage of the Dockerfile."""
    return DOCKERFILE.split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]


def image_environment(target: str) -> dict[str, str]:
    """Return the settings that an image brings along: variables that are ours."""
    return {
        name: value
        for line in re.findall(r"^ENV (.*)$", stage_of(target), re.MULTILINE)
        for name, value in re.findall(r"(\w+)=(\S+)", line)
    }


def airflow_environment() -> dict[str, str]:
    return environment_of("airflow-scheduler")


def test_airflow_has_the_connections_of_the_dags() -> None:
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


def test_airflow_may_fetch_from_the_uploader_only() -> None:
    allowed = airflow_environment()[f"AIRFLOW_VAR_{dag_settings.VARIABLE_ALLOWED_HOSTS.upper()}"]
    assert allowed == SERVICES["uploader"]["environment"]["API_BASE_URL"]


def test_airflow_imports_the_dags_as_they_are_mounted() -> None:
    environment, mounts = airflow_environment(), SERVICES["airflow-scheduler"]["volumes"]
    assert f"./dags:{environment['AIRFLOW__CORE__DAGS_FOLDER']}:ro" in mounts
    for package in ("aws", "contracts", "telemetry"):
        assert f"./{package}:{environment['PYTHONPATH']}/{package}:ro" in mounts
    assert len(base64.urlsafe_b64decode(environment["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert dag_settings.POOL_MONITORING in SERVICES["airflow-init"]["command"][0]


def test_flow_is_deployed_with_the_addresses_of_the_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    command, given = SERVICES["nifi-flow"]["command"], SERVICES["nifi-flow"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = load_environment(command[command.index("--environment") + 1], environ=given)
    assert environment.variables.keys() & referenced_parameters(load_flow()) <= environment.parameters.keys()
    for address in (environment.url, environment.parameters["s3.endpoint"]):
        assert urlsplit(address).hostname in SERVICES
    assert environment_of("nifi")["NIFI_WEB_HTTP_PORT"] == str(urlsplit(environment.url).port)
    (given_parameter,) = [command[index + 1] for index, word in enumerate(command) if word == "--set"]
    assert given_parameter == f"s3.endpoint={environment.parameters['s3.endpoint']}"
    chunk = f"{SERVICES['uploader']['environment']['API_BASE_URL']}/chunks/{'0' * 32}/1/download/{FAKE_SIGNATURE}"
    assert re.fullmatch(environment.parameters["source.url.pattern"], chunk)


@pytest.mark.parametrize("given", [{}, {"KAFKA_PARTITIONS": ""}, {"KAFKA_PARTITIONS": "7"}], ids=str)
def test_topics_are_made_with_the_names_and_partitions_of_the_contract(tmp_path: Path, given: dict[str, str]) -> None:
    program = "/opt/kafka/bin/kafka-topics.sh"
    fake = tmp_path / "fake-kafka-topics.sh"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    (script,) = SERVICES["kafka-topics"]["command"]
    command = [*SERVICES["kafka-topics"]["entrypoint"], script.replace(program, str(fake))]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    partitions = given.get("KAFKA_PARTITIONS") or str(Settings.model_fields["kafka_partitions"].default)
    made = re.findall(r"--topic (\S+) --partitions (\S+)", done.stdout)
    assert made == [(TOPIC_INGEST, partitions), (TOPIC_DEAD_LETTER, "1")]


def test_kafka_has_the_address_that_the_uploader_uses() -> None:
    broker = SERVICES["uploader"]["environment"]["KAFKA_BROKER"]
    assert broker == Settings.model_fields["kafka_broker"].default
    assert broker.partition(":")[0] in SERVICES["kafka"]["networks"]["default"]["aliases"]
    assert f"PLAINTEXT://{broker}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_context_of_the_images_holds_every_package_and_nothing_but_what_is_named() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert ignored[1] == "*"
    assert {f"!{name}" for name in (*packages, "web", "pyproject.toml", "uv.lock", "README.md", "docker")} == {
        line for line in ignored if line.startswith("!")
    }


def test_images_are_built_with_extras_that_the_project_has() -> None:
    extras = set(re.findall(r"--extra (\S+?)[;\s]", DOCKERFILE))
    assert extras == {"uploader", "postgresql", "nifi", "sequencer", "tracing"}
    assert extras <= set(PYPROJECT["project"]["optional-dependencies"])


def test_versions_of_the_dockerfile_are_pinned_and_no_secret_is_needed() -> None:
    stages = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE))
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    named = {re.sub(r"^\$\{(\w+)\}$", lambda match: arguments[match[1]], image) for image in FROM}
    assert [image for image in named - stages if not re.search(r":.*\d+\.\d+", image)] == []
    assert re.search(r"^ARG UV_VERSION=\d+\.\d+\.\d+$", DOCKERFILE, re.MULTILINE)
    assert "required" not in DOCKERFILE


def test_scrape_targets_exist() -> None:
    folder = ROOT / "monitoring" / "prometheus"
    jobs = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    found = [each for job in jobs for each in job.get("static_configs", [])]
    for pattern in (name for job in jobs for each in job.get("file_sd_configs", []) for name in each["files"]):
        found += [each for path in folder.glob(pattern) for each in yaml.safe_load(path.read_text())]
    targets = dict(target.rsplit(":", 1) for each in found for target in each["targets"])
    assert {"statsd-exporter", "kafka-exporter", "minio", "nifi"} <= set(targets) <= set(SERVICES) | {"localhost"}
    assert targets["sequencer"] == str(SERVICES["sequencer"]["environment"]["METRICS_PORT"])
    for name in ("minio", "uploader"):
        published = [port.split(":")[2] for port in SERVICES[name]["ports"]]
        assert targets.get(name, published[0]) in published


def test_airflow_sends_its_metrics_to_the_exporter() -> None:
    environment, command = airflow_environment(), SERVICES["statsd-exporter"]["command"]
    assert environment["AIRFLOW__METRICS__STATSD_HOST"] in SERVICES
    assert f"--statsd.listen-udp=:{environment['AIRFLOW__METRICS__STATSD_PORT']}" in command
    (mount,) = SERVICES["statsd-exporter"]["volumes"]
    assert f"--statsd.mapping-config={mount.split(':')[1]}" in command
