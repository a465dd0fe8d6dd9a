"""The health check of the image, on the real uploader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.ports import free_ports
from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.healthcheck import find_health_fault
from uploader.settings import Settings


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks")) as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_responding_uploader_is_healthy(uploader: RunningUploader, host: str) -> None:
    assert find_health_fault(Settings(api_host=host, api_port=uploader.port)) is None


def test_fault_names_the_unresponsive_port() -> None:
    (port,) = free_ports(1)
    assert f"127.0.0.1:{port} does not respond" in str(find_health_fault(Settings(api_port=port)))


def check(tmp_path: Path, **given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uploader.healthcheck"]
    root = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "PYTHONPATH": root, **given}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_port_is_read_from_the_settings_file(uploader: RunningUploader, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"API_PORT={uploader.port}\n")
    assert check(tmp_path).returncode == 0


def test_invalid_setting_is_reported_by_name(tmp_path: Path) -> None:
    done = check(tmp_path, API_PORT="no number")
    assert done.returncode == 1
    assert "API_PORT" in done.stderr
