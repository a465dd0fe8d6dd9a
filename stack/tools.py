"""The programs that the stack builds with or runs on: a JDK, Maven and Go. Found, or installed, or asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from stack.errors import MissingToolError
from stack.versions import version

_JVM_DIR = Path("/usr/lib/jvm")
_INSTALLING = threading.Lock()
"""Components are prepared side by side, and apt lets in one at a time."""
_OLDEST_GO = (1, 21)
"""The first that fetches the tool chain that a module asks for."""
_JDK_PACKAGES = ("openjdk-25-jdk-headless", "openjdk-21-jdk-headless")


def java_home() -> Path:
    """Return the home of a JDK that is new enough: ``JAVA_HOME`` first, then the newest under /usr/lib/jvm.

    Raises:
        MissingToolError: there is none; the message says what to do.
    """
    minimum = int(version("java", "minimum"))
    named = os.environ.get("JAVA_HOME")
    places = [Path(named)] if named else []
    places += sorted(_JVM_DIR.glob("*"), key=_jdk_major, reverse=True)
    for place in places:
        if _jdk_major(place) >= minimum:
            return place
    found = ", ".join(f"{p} ({_jdk_major(p)})" for p in places if _jdk_major(p)) or "none"
    raise MissingToolError(
        f"a JDK {minimum} or newer is needed (found: {found}). Install one and set JAVA_HOME, or put it under "
        f"{_JVM_DIR}. Debian 13 and Ubuntu 24.04 have {_JDK_PACKAGES[-1]}; Debian 12 has none, "
        "take Temurin from https://adoptium.net",
        tool="jdk",
    )


def maven() -> Path:
    """Return the path of ``mvn``.

    Raises:
        MissingToolError: it is not on the PATH.
    """
    return _on_path("mvn", "Maven", "Install it (Debian: apt install maven), or put `mvn` on the PATH.")


def go() -> Path:
    """Return the path of ``go``, 1.21 or newer (which fetches the tool chain that a module asks for).

    Raises:
        MissingToolError: it is not on the PATH, or too old.
    """
    hint = (
        "Install Go 1.21 or newer from https://go.dev/dl and put `go` on the PATH (Debian 13: apt install golang-go)."
    )
    found = _on_path("go", "Go", hint)
    text = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    if _release(text.removeprefix("go")) < _OLDEST_GO:
        raise MissingToolError(
            f"{found} is {text.strip() or 'older than 1.16'}, which cannot build MinIO. {hint}", tool="go"
        )
    return found


def provide(
    finder: Callable[[], Path],
    packages: tuple[str, ...],
    report: Callable[[str], None],
    *,
    oldest: tuple[int, int] = (0, 0),
) -> Path:
    """Return ``finder()``; where it finds nothing, install the first of ``packages`` that apt offers and look again.

    A package is passed over whose version (major, minor) is below ``oldest``: the finder would refuse it, installed.
    apt is used as root on Debian and its relatives alone.

    Raises:
        MissingToolError: still not there.
    """
    with _INSTALLING:
        try:
            return finder()
        except MissingToolError:
            if os.geteuid() != 0 or not shutil.which("apt-get") or not _install(packages, report, oldest):
                raise
            return finder()


def provide_java(report: Callable[[str], None]) -> Path:
    """Return a JDK's home; see :func:`provide`."""
    return provide(java_home, _JDK_PACKAGES, report)


def provide_maven(report: Callable[[str], None]) -> Path:
    """Return the path of ``mvn``; see :func:`provide`."""
    return provide(maven, ("maven",), report)


def provide_go(report: Callable[[str], None]) -> Path:
    """Return the path of ``go``; see :func:`provide`."""
    return provide(go, ("golang-go",), report, oldest=_OLDEST_GO)


def _install(packages: tuple[str, ...], report: Callable[[str], None], oldest: tuple[int, int]) -> bool:
    _apt("update", "-qq")
    for package in packages:
        if _apt("install", "--dry-run", "-qq", package) == 0 and _candidate(package) >= oldest:
            report(f"apt-get install {package}")
            return _apt("install", "-y", "-qq", "--no-install-recommends", package) == 0
    wanted = f" of {oldest[0]}.{oldest[1]} or newer" if any(oldest) else ""
    report(f"apt offers no {' or '.join(packages)}{wanted}")
    return False


def _apt(*arguments: str) -> int:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        [shutil.which("apt-get") or "apt-get", *arguments], env=env, capture_output=True, check=False
    ).returncode


def _candidate(package: str) -> tuple[int, int]:
    """Return the version that apt would install, such as (1, 19) for ``2:1.19~1``; (0, 0) where there is none."""
    argv = [shutil.which("apt-cache") or "apt-cache", "policy", package]
    text = subprocess.run(argv, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False).stdout
    match = re.search(r"^\s*Candidate: (?:\d+:)?(\S+)", text, re.MULTILINE)
    return _release(match[1] if match else "")


def _release(text: str) -> tuple[int, int]:
    """Return (1, 21) for ``1.21.3``; (0, 0) where ``text`` begins with no version."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _jdk_major(home: Path) -> int:
    """Return the major version of the JDK at ``home``, or 0 where there is none (a JRE has no ``javac``)."""
    release = home / "release"
    if not (home / "bin" / "javac").exists() or not release.is_file():
        return 0
    match = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def _on_path(program: str, name: str, hint: str) -> Path:
    found = shutil.which(program)
    if not found:
        raise MissingToolError(f"{name} is needed. {hint}", tool=program)
    return Path(found)
