"""What is set in ``.env`` reaches the containers: read by Compose's own loader, as `docker compose` reads it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from csvpipe.generate.env_example import dag_variables, settings_variables
from dags.modules.settings import Settings as DagSettings
from sequencer.settings import JobSettings
from tests.support.containers.compose import compose_loader
from tests.support.containers.compose_file import PATH
from uploader.settings import Settings

FIXED = {
    "uploader": {
        "KAFKA_BROKER", "KAFKA_TOPIC_INGEST", "S3_BUCKET", "TEMP_DIR", "API_HOST", "API_PORT", "API_BASE_URL",
        "REPLICA_NAME", "KAFKA_SECURITY", "S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TLS_CERT_FILE",
        "TLS_KEY_FILE", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_CA_FILE",
    },
    "sequencer": {
        "S3_BUCKET", "S3_ENDPOINT", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY", "CREATE_TOPIC", "METRICS_PORT",
        "LIBRDKAFKA", "CHECKPOINT_FILE",
    },
}  # fmt: skip
"""Internal names, addresses and directories: the services find each other by these (docs/how-to/compose.md)."""
DAGS = {f"CSV_INGESTION_{field.name.upper()}" for field in fields(DagSettings)}
SETTINGS = {
    "uploader": {variable.name for variable in settings_variables(Settings)} - FIXED["uploader"],
    "sequencer": {variable.name for variable in settings_variables(JobSettings)} - FIXED["sequencer"],
    **dict.fromkeys(("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-api-server"), DAGS),
}
Environments = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environments]:
    """Return the environment of each container for a ``.env`` and an environment."""
    loader = compose_loader()
    directory = tmp_path_factory.mktemp("project")
    (directory / "docker-compose.yml").write_text(PATH.read_text())

    def read(dotenv: dict[str, str], **environment: str) -> Environments:
        (directory / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in dotenv.items()))
        command: list[str | Path] = [loader, directory / "docker-compose.yml", "*"]
        given = {"PATH": "/usr/bin:/bin", "HOME": str(directory), **environment}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        loaded: Environments = json.loads(done.stdout)["*"]
        return loaded

    return read


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_every_setting_of_dotenv_reaches_the_container(service: str, read: Callable[..., Environments]) -> None:
    given = {name: f"given to {name}" for name in SETTINGS[service]}
    found = read(given)[service]
    lost = [name for name, value in given.items() if found.get(name) != value]
    assert lost == [], f"write them without a value into the environment of {service} in docker-compose.yml"


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_unset_setting_keeps_its_default(service: str, read: Callable[..., Environments]) -> None:
    own_defaults = {"OTEL_EXPORTER_OTLP_ENDPOINT", "ACCESS", "ADMIN_KEY", "RELAY_KEY"}
    own_defaults |= {"AIRFLOW_URL", "BUCKET_BROWSER_URL", "S3_PUBLIC_ENDPOINT"}
    assert read({})[service].keys() & (SETTINGS[service] - own_defaults) == set()


def test_links_and_statements_lead_to_the_published_ports(read: Callable[..., Environments]) -> None:
    found = read({})["uploader"]
    assert found["AIRFLOW_URL"] == "http://127.0.0.1:8080"
    assert found["BUCKET_BROWSER_URL"] == "http://127.0.0.1:9001/browser/{bucket}/{prefix}"
    assert found["S3_PUBLIC_ENDPOINT"] == "http://127.0.0.1:9000"
    elsewhere = read({"CONTAINERS_S3_ENDPOINT": "https://s3.example.com"})["uploader"]
    assert elsewhere["S3_PUBLIC_ENDPOINT"] == elsewhere["S3_ENDPOINT"] == "https://s3.example.com"


@pytest.mark.parametrize("service", sorted(FIXED))
def test_internal_addresses_ignore_the_environment(service: str, read: Callable[..., Environments]) -> None:
    found = read(dict.fromkeys(FIXED[service], "of this machine"))[service]
    assert [name for name, value in found.items() if value == "of this machine"] == []


def test_environment_wins_over_dotenv(read: Callable[..., Environments]) -> None:
    assert read({"CHUNK_SIZE_MB": "7"}, CHUNK_SIZE_MB="9")["uploader"]["CHUNK_SIZE_MB"] == "9"


def test_another_object_store_needs_one_variable(read: Callable[..., Environments]) -> None:
    found = read({"CONTAINERS_S3_ENDPOINT": "https://s3.example.com"})
    told = {name for name, environment in found.items() if "https://s3.example.com" in str(environment)}
    assert {"minio-bucket", "sequencer", "airflow-scheduler"} <= told
    assert "http://minio:9000" not in str(found)


def test_variables_of_the_dags_are_those_of_the_example() -> None:
    assert {variable.name for variable in dag_variables()} == DAGS
