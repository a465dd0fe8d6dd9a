"""checkov: what a reviewer of security would look for in Terraform, Kubernetes and Dockerfiles; without a network."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.own_environment import python_with

REQUIREMENT = "checkov==3.3.30"


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed: its id, the resource as checkov names it, and its file below the directory."""

    check_id: str
    resource: str
    file: str


def run_checkov(directory: Path, framework: str) -> list[FailedCheck]:
    """Return the checks of ``framework`` (``terraform``, ``kubernetes`` ...) that fail below ``directory``.

    Raises:
        AssertionError: checkov itself failed, or has looked at nothing.
    """
    argv: list[str | Path] = [
        python_with(REQUIREMENT),
        "-m",
        "checkov.main",
        "--directory",
        directory,
        "--framework",
        framework,
    ]
    done = subprocess.run(
        [*argv, "--skip-download", "--quiet", "--compact", "--output", "json"], capture_output=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report["results"]["parsing_errors"]
    assert report["summary"]["resource_count"] > 0, f"checkov found nothing of {framework} in {directory}"
    failed = report["results"]["failed_checks"]
    return [FailedCheck(each["check_id"], each["resource"], each["file_path"].lstrip("/")) for each in failed]
