"""Every variable that is set for a container is read by something in it: its image's script, or the program itself.

``docker/images`` holds what the scripts of others read. Kafka, MinIO and Airflow are asked themselves.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stack.components.kafka import kafka_command
from stack.local import LocalStack
from stack.report import silent
from tests.support.containers.compose_file import SERVICES
from tests.support.containers.image_variables import OF_EVERY_PROCESS, Readers, facts, facts_of, unread
from tests.support.kubernetes.manifests import Manifests
from tests.support.services import settings_on_free_ports


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    return LocalStack(root=tmp_path_factory.mktemp("stack"), settings=settings_on_free_ports(), report=silent)


@pytest.fixture(scope="module")
def readers(stack: LocalStack) -> Readers:
    return Readers.of(stack)


def own_script(name: str) -> str:
    """Return what a service runs instead of its image's own script."""
    service = SERVICES[name]
    return "\n".join(map(str, service["command"])) if "entrypoint" in service else ""


@pytest.mark.parametrize("name", [name for name in sorted(SERVICES) if SERVICES[name].get("environment")])
def test_variables_of_a_service_are_read(name: str, readers: Readers) -> None:
    service = SERVICES[name]
    found = unread(service["image"], service["environment"], readers=readers, script=own_script(name))
    assert found == set(), f"{name}: nothing in {service['image']} reads these"


def test_variables_of_pods_are_read(manifests: Manifests, readers: Readers) -> None:
    for pods in manifests.pods():
        script = "\n".join(pods.container.get("args", [])) if "command" in pods.container else ""
        given = manifests.environment(pods)
        assert unread(pods.container["image"], given, readers=readers, script=script) == set(), pods.place


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("apache/nifi:2.3.0", "NIFI_WEB_HTTP_PORT"),
        ("csvpipe-nifi:2.3.0", "NIFI_REMOTE_INPUT_SOCKET_PORT"),
        ("apache/kafka:4.3.1", "KAFKA_LOG_DIRECTORIES"),
        ("apache/kafka:4.3.1", "KAFKA_LISTENERS_"),
        ("postgres:17.6-bookworm", "POSTGRES_DATABASE"),
        ("csvpipe-airflow:3.3.2", "AIRFLOW__CORE__PARALELISM"),
        ("csvpipe-airflow:3.3.2", "AIRFLOW_CON_S3_RAW"),
        ("csvpipe-airflow:3.3.2", "CSV_INGESTION_RETRYS"),
        ("csvpipe-minio:20260212", "MINIO_PROMETHEUS_AUTH_KIND"),
        ("grafana/grafana:12.1.1", "GF_SECURITY_ADMIN_PASWORD"),
        ("csvpipe-uploader:0.1.0", "CHUNK_SIZE"),
        ("csvpipe-sequencer:0.1.0", "KAFKA_BOOTSTRAP"),
    ],
)
def test_unread_variable_is_detected(image: str, name: str, readers: Readers) -> None:
    assert unread(image, {name, *OF_EVERY_PROCESS}, readers=readers) == {name}


def test_image_without_facts_or_with_those_of_another_tag_is_refused() -> None:
    for image in ("apache/kafka:4.4.0", "redis:7.4.0"):
        with pytest.raises(LookupError, match="docker/images"):
            facts_of(image)


def test_facts_name_their_source() -> None:
    for name, known in facts().items():
        assert known["sources"], name
        assert known["variables"] == sorted(known["variables"]), name


@pytest.fixture
def kafka_directories(tmp_path: Path) -> dict[str, Path]:
    directories = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for directory in directories.values():
        directory.mkdir()
    (directories["default"] / "server.properties").touch()
    return directories


def test_kafka_formats_its_storage_with_our_variables(
    stack: LocalStack, readers: Readers, kafka_directories: dict[str, Path], tmp_path: Path
) -> None:
    given = {name: str(value) for name, value in SERVICES["kafka"]["environment"].items()}
    given |= {"KAFKA_LOG_DIRS": str(tmp_path / "data"), "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"}
    options = [f"--{name}-configs-dir={directory}" for name, directory in kafka_directories.items()]
    command = kafka_command(stack.context, "kafka.docker.KafkaDockerWrapper", "setup", *options)
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **given}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "data" / "meta.properties").is_file()
    lines = (kafka_directories["final"] / "server.properties").read_text().split()
    properties = dict(line.split("=", 1) for line in lines)
    assert properties.keys() <= readers.kafka_properties
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["share.coordinator.state.topic.replication.factor"] == "1"
