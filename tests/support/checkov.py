"""checkov, in a virtual environment of its own: its dependencies do not go with ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.dist import build_once, run_tool

_VERSION = "3.3.30"
_TOOLS = Path(__file__).resolve().parents[2] / ".stack"


@dataclass(frozen=True, order=True)
class FailedCheck:
    """One finding: ``name`` is checkov's id, such as ``CKV_K8S_43``, ``title`` what it says."""

    name: str
    resource: str
    file: str
    title: str


def run_checkov(directory: Path, framework: str) -> list[FailedCheck]:
    """Check the files under ``directory`` as ``framework`` (``kubernetes``, ``terraform``), without any network.

    Raises:
        ValueError: nothing was checked, or a file could not be read: no findings would mean nothing.
    """
    options = ["--framework", framework, "--skip-download", "--quiet", "--compact", "--output", "json", "--soft-fail"]
    argv = [str(_python()), "-m", "checkov.main", "--directory", str(directory), *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
        summary, results = report["summary"], report["results"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkov checked nothing in {directory}: {done.stdout[:500]}{done.stderr[-500:]}") from error
    if summary["parsing_errors"] or not summary["passed"] + summary["failed"]:
        raise ValueError(f"checkov could not read {directory}: {summary} {results.get('parsing_errors')}")
    return sorted(
        FailedCheck(name=c["check_id"], resource=c["resource"], file=c["file_path"], title=c["check_name"])
        for c in results["failed_checks"]
    )


def _python() -> Path:
    def install(into: Path) -> None:
        python = into / "bin" / "python"
        for argv in (
            [_uv(), "venv", "--quiet", "--python", sys.executable, "--allow-existing", str(into)],
            [_uv(), "pip", "install", "--quiet", "--python", str(python), f"checkov=={_VERSION}"],
        ):
            run_tool(argv, cwd=into, report=lambda _: None, what=f"checkov {_VERSION}")

    return build_once(_TOOLS, "tools-checkov", _VERSION, install) / "bin" / "python"


def _uv() -> str:
    """Return uv, where `make setup` has found it or put it."""
    return shutil.which("uv") or str(_TOOLS / "tools" / "bin" / "uv")
