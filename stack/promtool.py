"""promtool, which checks and tests the alert rules: compiled once from the module in ``promtool/``."""

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
    """Return the program, compiled where it is not there yet.

    Prometheus' own go.mod has ``replace`` lines, with which ``go install`` of a version is refused: so a module of
    ours names it as its dependency, and go.sum holds what is downloaded to it.
    """
    files = [_SOURCES / "go.mod", _SOURCES / "go.sum"]
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def compile_it(into: Path) -> None:
        report("compiling promtool: 7 minutes on two cores, once")
        for file in files:
            shutil.copy(file, into)
        run_go("build", "-trimpath", "-o", "promtool", _PACKAGE, cwd=into, report=report)

    return build_once(dist, "promtool", stamp, compile_it) / "promtool"
