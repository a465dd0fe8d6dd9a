"""Builds of Go programs: MinIO, exporters, checkers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stack.component import Report
from stack.dist import run_tool
from stack.tools import provide_go

_NICENESS = 5
"""A build uses all cores for minutes, and must not make concurrent requests of other programs time out."""


def go_install(module: str, *, into: Path, report: Report) -> None:
    """Compile a program from source into the directory ``into``. ``module`` has the form ``path@version``.

    Raises:
        PrepareError: The build failed.
        MissingToolError: Go is not installed and cannot be installed.
    """
    run_go("install", module, cwd=into, env={"GOBIN": str(into), "CGO_ENABLED": "0"}, report=report)


def run_go(command: str, *arguments: str, cwd: Path, report: Report, env: Mapping[str, str] | None = None) -> None:
    """Run a ``go`` command with low priority in ``cwd``, which also receives its log.

    Raises:
        PrepareError: The command failed.
        MissingToolError: Go is not installed and cannot be installed.
    """
    argv = ["nice", "-n", str(_NICENESS), str(provide_go(report)), command, *arguments]
    run_tool(argv, cwd=cwd, env=env, report=report, what=f"go {command}")
