"""docker-compose.yml, read by the loader of Docker Compose itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.support.containers.compose import compose_loader
from tests.support.containers.compose_file import PATH
from tests.support.docs.shell_blocks import ROOT

PROFILES = ("core", "sequencing", "*")


def test_each_profile_starts_its_services_and_all_that_they_need() -> None:
    # No variable is set: the defaults of the file have to do.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(ROOT)}
    command: list[str | Path] = [compose_loader(), PATH, *PROFILES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    started = {profile: set(services) for profile, services in json.loads(done.stdout).items()}
    assert started["sequencing"] == {"kafka", "minio", "minio-bucket", "sequencer"}
    assert {"uploader", "nifi", "nifi-flow", "airflow-scheduler", "postgres"} <= started["core"]
    assert started["*"] == set(yaml.safe_load(PATH.read_text())["services"])
    assert started["*"] - started["core"] == {
        "sequencer", "prometheus", "grafana", "statsd-exporter", "kafka-exporter",
    }  # fmt: skip
