"""Maven builds, one at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from stack.dist import run_tool
from stack.tools import provide_java, provide_maven

_LOCAL_REPOSITORY = Path.home() / ".m2"


def run_maven(*arguments: str, cwd: Path, report: Callable[[str], None], timeout_s: float | None = None) -> None:
    """Run ``mvn`` in batch mode with a supported JDK.

    Maven's local repository does not support concurrent writers, and components are prepared in parallel. A lock file
    in the repository serializes the Maven runs of all processes.

    Raises:
        PrepareError: Maven failed or timed out. The message contains the end of its output.
        MissingToolError: Maven or a JDK is not installed.
    """
    argv = [str(provide_maven(report)), "-B", "-q", *arguments]
    env = {"JAVA_HOME": str(provide_java(report))}
    _LOCAL_REPOSITORY.mkdir(exist_ok=True)
    goal = next(argument for argument in arguments if not argument.startswith("-")).rsplit(":", 1)[-1]
    with (_LOCAL_REPOSITORY / ".csvpipe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_tool(argv, cwd=cwd, env=env, report=report, what=f"mvn {goal}", timeout_s=timeout_s)
