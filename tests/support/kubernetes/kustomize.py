"""kustomize, built from source at a pinned version, and its output for a directory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stack.dist import build_once
from stack.golang import go_install
from tests.support.own_environment import PLACE

_MODULE = "sigs.k8s.io/kustomize/kustomize/v5"
_VERSION = "v5.7.1"


def kustomize() -> Path:
    """Return the program; the first call compiles it, which takes a minute."""

    def compile_it(into: Path) -> None:
        go_install(f"{_MODULE}@{_VERSION}", into=into, report=lambda _: None)

    return build_once(PLACE, "kustomize", _VERSION, compile_it) / "kustomize"


def build(directory: Path) -> str:
    """Return the resources that ``kubectl apply -k`` would send, as YAML documents.

    Raises:
        ValueError: kustomize refuses; the text is what it says.
    """
    done = subprocess.run([kustomize(), "build", directory], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"kustomize build {directory}: {done.stderr}")
    return done.stdout
