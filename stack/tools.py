"""Required programs: a JDK, Maven and Go. Found on the machine, or installed with apt if possible."""

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

JVM_DIR = Path("/usr/lib/jvm")
_INSTALLING = threading.Lock()
"""Components are prepared in parallel, and apt does not run concurrently."""
_OLDEST_GO = (1, 21)
"""The first version that downloads the toolchain that a module requires."""
_JDK_PACKAGES = ("openjdk-25-jdk-headless", "openjdk-21-jdk-headless")


def java_home(jvm_dir: Path = JVM_DIR) -> Path:
    """Return the home of a supported JDK: ``JAVA_HOME`` if set, or the newest in /usr/lib/jvm.

    Raises:
        MissingToolError: There is none. The message explains how to install one.
    """
    minimum = int(version("java", "minimum"))
    named = os.environ.get("JAVA_HOME")
    places = [Path(named)] if named else []
    places += sorted(jvm_dir.glob("*"), key=_jdk_major, reverse=True)
    for place in places:
        if _jdk_major(place) >= minimum:
            return place
    found = ", ".join(f"{p} ({_jdk_major(p)})" for p in places if _jdk_major(p)) or "none"
    raise MissingToolError(
        f"JDK {minimum} or newer is required (found: {found}). Install it and set JAVA_HOME, or install it in "
        f"{jvm_dir}. Debian 13 and Ubuntu 24.04 provide {_JDK_PACKAGES[-1]}; for Debian 12, "
        "use Temurin from https://adoptium.net",
        tool="jdk",
    )


def maven() -> Path:
    """Return the path of ``mvn``.

    Raises:
        MissingToolError: Maven is not on the PATH.
    """
    return _on_path("mvn", "Maven", "Install it (Debian: apt install maven) or add `mvn` to the PATH.")


def go() -> Path:
    """Return the path of ``go`` 1.21 or newer, which downloads the toolchain that a module requires.

    Raises:
        MissingToolError: Go is not on the PATH, or too old.
    """
    hint = (
        "Install Go 1.21 or newer from https://go.dev/dl and add `go` to the PATH (Debian 13: apt install golang-go)."
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
    """Return ``finder()``. If it finds nothing, install the first available of ``packages`` with apt and try again.

    A package whose version (major, minor) is below ``oldest`` is skipped, as the finder would refuse it. apt is used
    only by root, on Debian and its derivatives.

    Raises:
        MissingToolError: The program was not found and could not be installed.
    """
    with _INSTALLING:
        try:
            return finder()
        except MissingToolError:
            if os.geteuid() != 0 or not shutil.which("apt-get") or not _install(packages, report, oldest):
                raise
            return finder()


def provide_java(report: Callable[[str], None]) -> Path:
    """Return the home of a JDK. See :func:`provide`."""
    return provide(java_home, _JDK_PACKAGES, report)


def provide_maven(report: Callable[[str], None]) -> Path:
    """Return the path of ``mvn``. See :func:`provide`."""
    return provide(maven, ("maven",), report)


def provide_go(report: Callable[[str], None]) -> Path:
    """Return the path of ``go``. See :func:`provide`."""
    return provide(go, ("golang-go",), report, oldest=_OLDEST_GO)


def _install(packages: tuple[str, ...], report: Callable[[str], None], oldest: tuple[int, int]) -> bool:
    _apt("update", "-qq")
    for package in packages:
        if _apt("install", "--dry-run", "-qq", package) == 0 and _candidate(package) >= oldest:
            report(f"apt-get install {package}")
            return _apt("install", "-y", "-qq", "--no-install-recommends", package) == 0
    minimum = f" {oldest[0]}.{oldest[1]} or newer" if any(oldest) else ""
    report(f"apt has no package {' or '.join(packages)}{minimum}")
    return False


def _apt(*arguments: str) -> int:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        [shutil.which("apt-get") or "apt-get", *arguments], env=env, capture_output=True, check=False
    ).returncode


def _candidate(package: str) -> tuple[int, int]:
    """Return the version that apt would install, such as (1, 19) for ``2:1.19~1``, or (0, 0) if there is none."""
    argv = [shutil.which("apt-cache") or "apt-cache", "policy", package]
    text = subprocess.run(argv, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False).stdout
    match = re.search(r"^\s*Candidate: (?:\d+:)?(\S+)", text, re.MULTILINE)
    return _release(match[1] if match else "")


def _release(text: str) -> tuple[int, int]:
    """Return (1, 21) for ``1.21.3``, or (0, 0) if ``text`` does not start with a version."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _jdk_major(home: Path) -> int:
    """Return the major version of the JDK at ``home``, or 0 if there is none (a JRE has no ``javac``)."""
    release = home / "release"
    if not (home / "bin" / "javac").exists() or not release.is_file():
        return 0
    match = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def _on_path(program: str, name: str, hint: str) -> Path:
    found = shutil.which(program)
    if not found:
        raise MissingToolError(f"{name} is not installed. {hint}", tool=program)
    return Path(found)
