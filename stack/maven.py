"""Maven, run for one component at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from stack.dist import run_tool
from stack.tools import provide_java, provide_maven

_LOCAL_REPOSITORY = Path.home() / ".m2"


def run_maven(*arguments: str, cwd: Path, report: Callable[[str], None], timeout_s: float | None = None) -> None:
    """Run ``mvn`` in batch mode with a JDK that is new enough.

    Maven's local repository is not made for two writers, and components are prepared side by side: a lock in it lets
    one Maven of ours work at a time, whatever process runs it.

    Raises:
        PrepareError: it failed, or was not done after ``timeout_s``; the message holds the end of its output.
        MissingToolError: there is no Maven, or no JDK.
    """
    argv = [str(provide_maven(report)), "-B", "-q", *arguments]
    env = {"JAVA_HOME": str(provide_java(report))}
    _LOCAL_REPOSITORY.mkdir(exist_ok=True)
    goal = next(argument for argument in arguments if not argument.startswith("-")).rsplit(":", 1)[-1]
    with (_LOCAL_REPOSITORY / ".csvpipe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_tool(argv, cwd=cwd, env=env, report=report, what=f"mvn {goal}", timeout_s=timeout_s)
