"""docker-compose.yml, read by the loader of Docker Compose: a Go library, pinned in ``compose_loader/go.sum``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.tools import provide_go

HERE = Path(__file__).parent
COMPOSE = HERE.parents[1] / "docker-compose.yml"
PROFILES = ("core", "ordered", "*")


def build_loader(directory: Path) -> Path:
    """Compile the program into ``directory`` and return it."""
    program = directory / "loader"
    build: list[str | Path] = [provide_go(print), "build", "-o", program, "."]
    done = subprocess.run(build, cwd=HERE / "compose_loader", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program."""
    return build_loader(tmp_path_factory.mktemp("loader"))


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


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("profiles: [core, ordered]\n    image: apache/kafka", "profiles: [core]\n    image: apache/kafka", "kafka"),
        ("- kafka-data:/", "- kafka-daten:/", "kafka-daten"),
        (
            "    healthcheck:\n      test: [CMD, /opt/kafka",
            "    helthcheck:\n      test: [CMD, /opt/kafka",
            "helthcheck",
        ),
        ("stop_grace_period: 60s", "stop_grace_period: soon", "stop_grace_period"),
    ],
)
def test_loader_refuses_a_file_that_does_not_hold_together(
    loader: Path, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = COMPOSE.read_text()
    assert right in text
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace(right, wrong))
    done = load(loader, broken)
    assert done.returncode == 1
    assert said in done.stderr
