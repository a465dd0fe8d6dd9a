"""Downloads and builds that stacks share: built once, and never left incomplete."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.errors import PrepareError

STAMP = ".stamp"
"""File in a build that identifies its inputs."""
_TAIL_LINES = 25
_PROGRESS_EVERY_S = 20.0


def build_once(dist: Path, name: str, stamp: str, build: Callable[[Path], None]) -> Path:
    """Return ``dist/name``. Build it with ``build(directory)`` unless it exists with the same ``stamp``.

    The stamp identifies everything that the result depends on (versions, a digest of the sources). The build runs in a
    temporary directory, under a lock across processes, and is renamed when it is complete, so an interrupted build is
    never mistaken for a complete one.
    """
    target = dist / name
    dist.mkdir(parents=True, exist_ok=True)
    with _locked(dist / f".{name}.lock"):
        if _stamp_of(target) == stamp:
            return target
        fresh = dist / f".{name}.{os.getpid()}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            build(fresh)
            (fresh / STAMP).write_text(stamp)
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return target


def is_built(dist: Path, name: str, stamp: str) -> bool:
    """Return whether ``dist/name`` exists with the same ``stamp``, so that :func:`build_once` would not build."""
    return _stamp_of(dist / name) == stamp


def run_tool(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    report: Callable[[str], None],
    what: str,
    timeout_s: float | None = None,
) -> None:
    """Run a build tool until it ends, and report every 20 s that it is still running.

    Raises:
        PrepareError: The tool failed or timed out. The message contains the end of its output.
    """
    started = time.monotonic()
    log = cwd / f".{Path(argv[0]).name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(a) for a in argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while (code := _wait(process, min(_PROGRESS_EVERY_S, timeout_s or _PROGRESS_EVERY_S))) is None:
                if timeout_s is not None and time.monotonic() - started > timeout_s:
                    raise PrepareError(f"{what} timed out after {timeout_s:.0f} s")
                report(f"{what}: still running after {time.monotonic() - started:.0f} s")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise PrepareError(f"{what} failed with exit code {code}: {' '.join(map(str, argv))}\n{tail}")


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None


def _stamp_of(target: Path) -> str | None:
    try:
        return (target / STAMP).read_text()
    except FileNotFoundError:
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
