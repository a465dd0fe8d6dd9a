"""Virtual environments for Python tools whose dependencies conflict with ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from stack.dist import build_once
from tests.support.docs.shell_blocks import ROOT

PLACE = ROOT / ".stack" / "checkers"


def python_with(requirement: str) -> Path:
    """Return the Python of an environment that has ``requirement`` (``name==version``); made once, under ``.stack``.

    Raises:
        subprocess.CalledProcessError: it cannot be installed; its output says why.
    """

    def build(directory: Path) -> None:
        uv = shutil.which("uv") or str(ROOT / ".stack" / "tools" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--relocatable", directory / "venv"], check=True)
        python = directory / "venv" / "bin" / "python"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, requirement], check=True)

    name = requirement.partition("==")[0]
    return build_once(PLACE, name, requirement, build) / "venv" / "bin" / "python"
