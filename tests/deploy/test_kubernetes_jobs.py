"""The Jobs: the flow into NiFi, the topics into Kafka."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.names import TOPIC_DEAD_LETTER, TOPIC_INGEST
from csvpipe.app import build_app
from nifi.connection import Access
from nifi.definition import load_flow, referenced_parameters
from nifi.encryption import KEY_VARIABLES
from nifi.environment import environment_names, load_environment
from tests.support.kubernetes.manifests import UPLOADER, Manifests, Pods, option
from tests.support.signatures import FAKE_SIGNATURE

PROGRAM = "/opt/kafka/bin/kafka-topics.sh"
TO_EVERY_PROCESS = {"HOME"}


@pytest.fixture
def flow(hanoi: Manifests) -> Pods:
    return Pods(hanoi.get("Job", "csv-nifi-flow"))


@pytest.mark.parametrize("wrong", [[], ["--enviroment", "hanoi"]], ids=["as it is", "misspelt"])
def test_command_of_the_flow_job_exists_in_csvpipe(flow: Pods, wrong: list[str]) -> None:
    # --help is looked at when all the rest has been understood, and nothing is deployed.
    result = CliRunner().invoke(build_app(wanted="nifi"), [*flow.container["args"], *wrong, "--help"])
    assert result.exit_code == (2 if wrong else 0), result.output


def test_command_of_the_uploader_exists_in_csvpipe(hanoi: Manifests) -> None:
    result = CliRunner().invoke(build_app(wanted="serve"), [*hanoi.uploader().container["args"], "--help"])
    assert result.exit_code == 0, result.output


def test_flow_is_deployed_with_every_secret_of_its_environment(hanoi: Manifests, flow: Pods) -> None:
    name = option(flow, "environment")
    assert name in environment_names()
    variables = hanoi.environment(flow)
    environment = load_environment(name, environ=variables)
    assert environment.variables.keys() & referenced_parameters(load_flow()) <= environment.parameters.keys()
    access = Access.from_environment(variables)
    assert access.username
    assert access.password
    mounts = {mount["name"]: mount["mountPath"] for mount in flow.container["volumeMounts"]}
    assert Path(str(access.ca_file)).parent == Path(mounts["openhouse-ca"])


def test_every_variable_of_the_flow_job_is_read(hanoi: Manifests, flow: Pods) -> None:
    of_nifi = {f"NIFI_{name.upper()}" for name in Access.__dataclass_fields__}
    of_the_flow = set(load_environment("hanoi", environ={}).variables.values())
    of_the_encryption = {"S3_ENCRYPTION", *KEY_VARIABLES.values()}
    assert hanoi.environment(flow).keys() <= of_nifi | of_the_flow | of_the_encryption | TO_EVERY_PROCESS


@pytest.mark.parametrize("ordinal", [0, 1, 12])
def test_nifi_fetches_from_every_replica(hanoi: Manifests, ordinal: int) -> None:
    pattern = load_environment("hanoi", environ={}).parameters["source.url.pattern"]
    address = hanoi.environment(hanoi.uploader(), pod_name=f"{UPLOADER}-{ordinal}")["API_BASE_URL"]
    assert re.fullmatch(pattern, f"{address}/chunks/{'0' * 32}/{ordinal + 1}/download/{FAKE_SIGNATURE}")


def test_topics_are_made_with_names_and_partitions_of_the_contract(manifests: Manifests, tmp_path: Path) -> None:
    job = Pods(manifests.get("Job", "csv-kafka-topics"))
    (script,) = job.container["args"]
    fake = tmp_path / "fake-kafka-topics.sh"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    assert PROGRAM in script
    command = [*job.container["command"], script.replace(PROGRAM, str(fake))]
    environment = manifests.environment(job)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    replicas = environment["REPLICATION_FACTOR"]
    made = re.findall(r"--topic (\S+) --partitions (\d+) --replication-factor (\d+)", done.stdout)
    partitions = manifests.environment(manifests.uploader())["KAFKA_PARTITIONS"]
    assert made == [(TOPIC_INGEST, partitions, replicas), (TOPIC_DEAD_LETTER, "1", replicas)]
    login = f" --command-config {environment['COMMAND_CONFIG']}" if "COMMAND_CONFIG" in environment else ""
    server = f"--bootstrap-server {environment['KAFKA_BROKER']}{login} --create --if-not-exists"
    assert done.stdout.count(server) == len(made)
    assert int(environment["MIN_IN_SYNC_REPLICAS"]) <= int(replicas)


def test_uploader_announces_on_the_topic_that_is_made(manifests: Manifests) -> None:
    topics = Pods(manifests.get("Job", "csv-kafka-topics"))
    uploader = manifests.environment(manifests.uploader())
    assert uploader["KAFKA_TOPIC_INGEST"] == TOPIC_INGEST
    assert manifests.environment(topics)["KAFKA_BROKER"] == uploader["KAFKA_BROKER"]
