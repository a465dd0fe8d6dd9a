"""The workflows of GitHub Actions: valid by actionlint, and no wider than they need to be."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.dist import build_once
from stack.tools import provide_go
from tests.support.docs.shell_blocks import ROOT
from tests.support.own_environment import PLACE

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """Return the program, compiled once."""

    def build(directory: Path) -> None:
        environment = {**os.environ, "GOBIN": str(directory), "CGO_ENABLED": "0"}
        subprocess.run([provide_go(print), "install", ACTIONLINT], env=environment, check=True)

    return build_once(PLACE, "actionlint", ACTIONLINT, build) / "actionlint"


def load(workflow: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(workflow.read_text())
    return loaded


def test_actionlint_finds_nothing(actionlint: Path) -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    command: list[str | Path] = [actionlint, "-no-color", "-shellcheck", shellcheck, "-pyflakes=", *WORKFLOWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@each_workflow
def test_workflow_may_only_read_and_ends_in_time(workflow: Path) -> None:
    loaded = load(workflow)
    assert loaded["permissions"] == {"contents": "read"}
    assert loaded["concurrency"]["group"]
    for job in loaded["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 240


@each_workflow
def test_actions_are_pinned(workflow: Path) -> None:
    used = re.findall(r"uses: (\S+)", workflow.read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", action)] == []


def test_pull_requests_run_what_people_run() -> None:
    runs = [
        step["run"]
        for job in load(ROOT / ".github/workflows/ci.yml")["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert runs[-1] == ".ci/run"
