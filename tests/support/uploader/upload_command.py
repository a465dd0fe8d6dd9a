"""``csvpipe upload`` in processes of their own, which share a state directory and can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TIMEOUT_S = 240


class UploadCommand:
    """Runs ``csvpipe upload`` with the same options, again and again."""

    def __init__(self, state_home: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.state = state_home / "csvpipe" / "uploads"
        self._options = options
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CSVPIPE_")}
        self._environment = {**kept, "XDG_STATE_HOME": str(state_home), **(environment or {})}

    def start(self, url: str, *arguments: str | Path, **given: Any) -> subprocess.Popen[bytes]:
        """Start it at ``url`` with ``arguments``, and options of ``Popen``."""
        command = [sys.executable, "-m", "csvpipe", "upload", *map(str, arguments), *self._options, "--url", url]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self._environment, **{**pipes, **given})

    def run(self, url: str, *arguments: str | Path, content: bytes | None = None) -> tuple[int, str, str]:
        """Run it to its end, with ``content`` as standard input; return exit code, stdout and stderr."""
        with self.start(url, *arguments, stdin=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(content, timeout=_TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return process.returncode, out.decode(), err.decode()

    def saved(self) -> list[Path]:
        """Return the files of uploads that are not finished."""
        return sorted(self.state.glob("*.json"))
