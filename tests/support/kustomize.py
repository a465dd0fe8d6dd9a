"""kustomize, built once from its source at a pinned version, and what it makes of a directory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stack.dist import build_once, run_tool
from stack.tools import provide_go

_MODULE = "sigs.k8s.io/kustomize/kustomize/v5"
_VERSION = "v5.7.1"
_TOOLS = Path(__file__).resolve().parents[2] / ".stack"


def kustomize() -> Path:
    """Return the program; the first call compiles it, which takes a minute."""

    def compile_it(into: Path) -> None:
        argv = [str(provide_go(lambda _: None)), "install", f"{_MODULE}@{_VERSION}"]
        run_tool(argv, cwd=into, env={"GOBIN": str(into), "CGO_ENABLED": "0"}, report=lambda _: None, what="go install")

    return build_once(_TOOLS, "tools-kustomize", _VERSION, compile_it) / "kustomize"


def build(directory: Path) -> str:
    """Return the resources that ``kubectl apply -k`` would send, as YAML documents.

    Raises:
        ValueError: kustomize refuses; the text is what it says.
    """
    done = subprocess.run([kustomize(), "build", directory], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"kustomize build {directory}: {done.stderr}")
    return done.stdout
