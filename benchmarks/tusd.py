"""tusd, the reference server of tus, as a contender: it stores an upload in a file, unsynced and unseen."""

from __future__ import annotations

import shutil
import sys
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from benchmarks.server_process import Server, Start, free_port, running
from stack.dist import build_once
from stack.golang import go_install
from stack.local import DEFAULT_DIST
from stack.versions import version

_MODULE = "github.com/tus/tusd/v2/cmd/tusd"


def tusd(program: str) -> Start:
    """Return a starter of the program."""

    def start(directory: Path) -> AbstractContextManager[Server]:
        port = free_port()
        command = [program, "-host", "127.0.0.1", "-port", str(port), "-upload-dir", str(directory / "tus")]
        return running([*command, "-base-path", "/files/"], port=port, env={}, log=directory / "server.log")

    return start


def find_tusd(*, build: bool) -> str | None:
    """Return the program on the PATH, or else the one that is built if ``build`` is set.

    Raises:
        PrepareError: the build failed.
        MissingToolError: Go is not installed and cannot be installed.
    """
    found = shutil.which("tusd")
    if found is not None or not build:
        return found
    return str(build_once(DEFAULT_DIST, f"tusd-{version('tusd')}", version("tusd"), _compile) / "tusd")


def _compile(into: Path) -> None:
    print("compiling tusd (once; a few minutes)", file=sys.stderr)
    go_install(f"{_MODULE}@{version('tusd')}", into=into, report=partial(print, file=sys.stderr))
