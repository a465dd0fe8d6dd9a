"""The loader of Docker Compose, a Go library, as a program that prints the services of each profile as JSON."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from stack.dist import build_once
from stack.tools import provide_go
from tests.support.own_environment import PLACE

_SOURCES = Path(__file__).with_name("compose_loader")


def compose_loader() -> Path:
    """Return the program; it is compiled once, from ``compose_loader`` with the versions of its ``go.sum``."""
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCES.iterdir()))).hexdigest()

    def build(directory: Path) -> None:
        command: list[str | Path] = [provide_go(print), "build", "-o", directory / "loader", "."]
        done = subprocess.run(command, cwd=_SOURCES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return build_once(PLACE, "compose-loader", stamp, build) / "loader"
