"""promtool, which checks and tests the alert rules, built from the module in ``promtool/``."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from stack.component import Report
from stack.dist import build_once
from stack.golang import run_go

_SOURCES = Path(__file__).with_name("promtool")
_PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"


def prepare_promtool(dist: Path, report: Report) -> Path:
    """Return the path of promtool. Compile it if it does not exist yet.

    Prometheus' own go.mod has ``replace`` directives, so ``go install`` refuses to install a version of it. Therefore a
    module of ours has it as a dependency, and its go.sum pins the downloads.
    """
    files = [_SOURCES / "go.mod", _SOURCES / "go.sum"]
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def compile_promtool(into: Path) -> None:
        report("compiling promtool (once; 7 minutes on two cores)")
        for file in files:
            shutil.copy(file, into)
        run_go("build", "-trimpath", "-o", "promtool", _PACKAGE, cwd=into, report=report)

    return build_once(dist, "promtool", stamp, compile_promtool) / "promtool"
