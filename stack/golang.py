"""Programs that are compiled by Go: MinIO, exporters, checkers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stack.component import Report
from stack.dist import run_tool
from stack.tools import provide_go

_NICENESS = 5
"""A compile takes every core for minutes; what waits for answers beside it must not time out."""


def go_install(module: str, *, into: Path, report: Report) -> None:
    """Compile a program from its source, ``module`` with its version behind ``@``, into the directory ``into``.

    Raises:
        PrepareError: it cannot be compiled.
        MissingToolError: there is no Go, and none can be installed.
    """
    run_go("install", module, cwd=into, env={"GOBIN": str(into), "CGO_ENABLED": "0"}, report=report)


def run_go(command: str, *arguments: str, cwd: Path, report: Report, env: Mapping[str, str] | None = None) -> None:
    """Run a command of Go behind everything else that runs, in ``cwd``, which gets its log.

    Raises:
        PrepareError: it failed.
        MissingToolError: there is no Go, and none can be installed.
    """
    argv = ["nice", "-n", str(_NICENESS), str(provide_go(report)), command, *arguments]
    run_tool(argv, cwd=cwd, env=env, report=report, what=f"go {command}")
