"""docker-compose.yml, read by the loader of Docker Compose: a Go library, pinned in ``compose_loader/go.sum``."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.dist import build_once
from stack.tools import provide_go
from tests.support.own_environment import PLACE

HERE = Path(__file__).parent
COMPOSE = HERE.parents[1] / "docker-compose.yml"
PROFILES = ("core", "ordered", "*")


@pytest.fixture(scope="module")
def loader() -> Path:
    """Return the program, compiled once for its sources."""
    sources = sorted((HERE / "compose_loader").iterdir())
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()

    def build(directory: Path) -> None:
        command: list[str | Path] = [provide_go(print), "build", "-o", directory / "loader", "."]
        done = subprocess.run(command, cwd=HERE / "compose_loader", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return build_once(PLACE, "compose-loader", stamp, build) / "loader"


def load(loader: Path, file: Path) -> subprocess.CompletedProcess[str]:
    # No variable is set: the defaults of the file have to do.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(file.parent)}
    command: list[str | Path] = [loader, file, *PROFILES]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_each_profile_starts_its_services_and_all_that_they_need(loader: Path) -> None:
    done = load(loader, COMPOSE)
    assert done.returncode == 0, done.stderr
    started = {profile: set(services) for profile, services in json.loads(done.stdout).items()}
    assert started["ordered"] == {"kafka", "minio", "minio-bucket", "sequencer"}
    assert {"uploader", "nifi", "nifi-flow", "airflow-scheduler", "postgres"} <= started["core"]
    assert started["*"] == set(yaml.safe_load(COMPOSE.read_text())["services"])
    assert started["*"] - started["core"] == {
        "sequencer", "prometheus", "grafana", "statsd-exporter", "kafka-exporter",
    }  # fmt: skip
