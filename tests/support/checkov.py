"""checkov in its own virtual environment, as its dependencies conflict with ours."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.own_environment import python_with

_REQUIREMENT = "checkov==3.3.30"


@dataclass(frozen=True, order=True)
class FailedCheck:
    """One finding: ``name`` is checkov's id, such as ``CKV_K8S_43``, ``file`` lies below the directory."""

    name: str
    resource: str
    file: str


def run_checkov(directory: Path, framework: str) -> list[FailedCheck]:
    """Check the files under ``directory`` as ``framework`` (``kubernetes``, ``terraform``), without any network.

    Raises:
        ValueError: nothing was checked, or a file could not be read: no findings would mean nothing.
    """
    options = ["--framework", framework, "--skip-download", "--quiet", "--compact", "--output", "json", "--soft-fail"]
    argv = [str(python_with(_REQUIREMENT)), "-m", "checkov.main", "--directory", str(directory), *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
        summary, results = report["summary"], report["results"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkov checked nothing in {directory}: {done.stdout[:500]}{done.stderr[-500:]}") from error
    if summary["parsing_errors"] or not summary["passed"] + summary["failed"]:
        raise ValueError(f"checkov could not read {directory}: {summary} {results.get('parsing_errors')}")
    return sorted(
        FailedCheck(name=c["check_id"], resource=c["resource"], file=c["file_path"].lstrip("/"))
        for c in results["failed_checks"]
    )
