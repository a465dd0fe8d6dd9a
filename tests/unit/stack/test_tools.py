"""Lookup and installation of required programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stack import tools
from stack.errors import MissingToolError


def _jdk(home: Path, version: str, *, compiler: bool = True) -> Path:
    (home / "bin").mkdir(parents=True)
    if compiler:
        (home / "bin" / "javac").touch()
    (home / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.fixture
def jvm_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "jvm"
    directory.mkdir()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return directory


def test_java_home_takes_precedence_over_a_newer_jdk(
    jvm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = _jdk(tmp_path / "mine", "21.0.2")
    _jdk(jvm_dir / "newer", "25")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert tools.java_home(jvm_dir) == named


def test_too_old_java_home_is_ignored(jvm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_jdk(tmp_path / "mine", "17.0.9")))
    newer = _jdk(jvm_dir / "newer", "25.0.1")
    assert tools.java_home(jvm_dir) == newer


def test_newest_jdk_is_found_and_runtimes_are_ignored(jvm_dir: Path) -> None:
    _jdk(jvm_dir / "jdk-21", "21.0.2")
    expected = _jdk(jvm_dir / "jdk-25", "25")
    _jdk(jvm_dir / "jre-26", "26", compiler=False)
    assert tools.java_home(jvm_dir) == expected


def test_too_old_jdk_is_named_in_the_error(jvm_dir: Path) -> None:
    old = _jdk(jvm_dir / "jdk-17", "17.0.9")
    with pytest.raises(MissingToolError) as raised:
        tools.java_home(jvm_dir)
    assert f"{old} (17)" in raised.value.detail
    assert "JAVA_HOME" in raised.value.detail
    assert "adoptium.net" in raised.value.detail


@pytest.mark.parametrize("finder", [tools.maven, tools.go])
def test_missing_program_error_explains_the_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finder: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(finder)
    with pytest.raises(MissingToolError, match="apt install"):
        finder()


@pytest.mark.parametrize(("version", "accepted"), [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True)])
def test_too_old_go_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, accepted: bool) -> None:
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    if accepted:
        assert tools.go() == program
    else:
        with pytest.raises(MissingToolError, match=version):
            tools.go()


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that puts a fake apt on an otherwise empty PATH. It records its calls."""

    def offer(candidate: str) -> Path:
        calls = tmp_path / "calls"
        for name, does in {
            "apt-get": f'echo "$*" >> {calls}',
            "apt-cache": f"printf 'golang-go:\\n  Installed: (none)\\n  Candidate: {candidate}\\n'",
        }.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setenv("PATH", str(tmp_path))
        return calls

    return offer


@pytest.mark.parametrize("candidate", ["2:1.19~1", "1.20.14-1", "(none)"])
def test_too_old_go_is_not_installed(apt: Callable[[str], Path], candidate: str) -> None:
    calls = apt(candidate)
    said: list[str] = []
    with pytest.raises(MissingToolError, match=r"Install Go 1\.21"):
        tools.provide_go(said.append)
    assert "install -y" not in calls.read_text()
    (line,) = said
    assert "golang-go" in line
    assert "1.21" in line


@pytest.mark.parametrize("candidate", ["2:1.21~2", "2:1.24~2", "2.0-1"])
def test_supported_go_is_installed(apt: Callable[[str], Path], candidate: str) -> None:
    calls = apt(candidate)
    with pytest.raises(MissingToolError):  # the fake apt installs nothing
        tools.provide_go(lambda _: None)
    assert "install -y -qq --no-install-recommends golang-go" in calls.read_text()


def test_only_root_installs_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(MissingToolError):
        tools.provide_go(said.append)
    assert said == []
