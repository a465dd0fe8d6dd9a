"""``csvpipe stack``, with MinIO as the only component."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.errors import SettingsError
from csvpipe.commands import stack as stack_command
from csvpipe.local_stack import client_values
from stack.errors import StackModeError
from stack.local import LocalStack
from stack.settings import StackSettings
from tests.support.services import settings_on_free_ports
from tests.support.waiting import wait_until


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the root of the stack that the command uses."""
    monkeypatch.chdir(tmp_path)
    for name in StackSettings.model_fields:
        if name.endswith("_port"):
            monkeypatch.setenv(f"STACK_{name.upper()}", "0")
    monkeypatch.setattr(stack_command, "LocalStack", partial(LocalStack, root=tmp_path / "run"))
    yield tmp_path / "run"
    LocalStack(root=tmp_path / "run", settings=settings_on_free_ports()).stop()


def _run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(stack_command.app, list(arguments), input=answer, env={"COLUMNS": "200"})


def _states(status: Result) -> dict[str, str]:
    processes, _ = status.output.split("\n\n", maxsplit=1)
    return {line.split()[0]: line.split()[1] for line in processes.splitlines()}


def _status_of_ready_minio() -> Result:
    """Return the status when MinIO is ready: on a busy machine, a single probe may time out."""

    def status() -> Result | None:
        found = _run("status")
        return found if _states(found)["minio"] == "ready" else None

    return wait_until(status, what="MinIO is ready", deadline_s=120)


def test_up_status_logs_down(root: Path) -> None:
    up = _run("up", "minio")
    assert up.exit_code == 0, up.output
    assert "starting minio (pid" in up.output

    again = _run("up", "minio")
    assert "minio      already running" in again.output

    status = _status_of_ready_minio()
    assert status.exit_code == 1, "the other components do not run"
    assert _states(status)["airflow-scheduler"] == "stopped"

    wait_until(lambda: "API: http://127.0.0.1:" in _run("logs", "minio").output, what="MinIO's log", deadline_s=120)

    down = _run("down")
    assert "minio      stopped" in down.output
    assert _run("down").output == ""


def test_dead_process_is_shown_and_started_again(root: Path) -> None:
    _run("up", "minio")
    LocalStack(root=root, settings=settings_on_free_ports()).kill("minio")
    assert "DEAD" in _run("status").output
    back = _run("up", "minio")
    assert "starting minio (pid" in back.output
    assert "DEAD" not in _run("status").output


def test_later_commands_find_the_encrypted_stack(root: Path) -> None:
    up = _run("up", "minio", "--secure")
    assert up.exit_code == 0, up.output
    status = _status_of_ready_minio().output
    assert "s3 https://127.0.0.1:" in status
    found = client_values(root)
    assert str(found["s3_endpoint"]).startswith("https://")
    assert found["s3_ca_file"] == str(root / "certificates" / "ca.pem")

    refused = _run("up", "minio", "--plain")
    assert isinstance(refused.exception, StackModeError)

    assert _run("down").exit_code == 0
    assert "s3 http://127.0.0.1:" in _run("up", "minio", "--plain").output


def test_reset_asks_before_it_deletes(root: Path) -> None:
    _run("up", "minio")
    refused = _run("reset", answer="n\n")
    assert refused.exit_code == 1
    assert (root / "data" / "minio" / "raw").is_dir()
    assert LocalStack(root=root, settings=settings_on_free_ports()).process("minio").pid

    assert _run("reset", "--yes").exit_code == 0
    assert not root.exists()


def test_wrong_setting_names_its_variable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_KAFKA_PORT", "many")
    result = _run("status")
    assert isinstance(result.exception, SettingsError)
    assert "STACK_KAFKA_PORT" in result.exception.detail
