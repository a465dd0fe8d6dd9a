"""Which JDK is taken, and what is said where there is none."""

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
    monkeypatch.setattr(tools, "_JVM_DIR", directory)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return directory


def test_java_home_goes_before_a_newer_jdk(jvm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = _jdk(tmp_path / "mine", "21.0.2")
    _jdk(jvm_dir / "newer", "25")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert tools.java_home() == named


def test_java_home_that_is_too_old_is_passed_over(
    jvm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_jdk(tmp_path / "mine", "17.0.9")))
    newer = _jdk(jvm_dir / "newer", "25.0.1")
    assert tools.java_home() == newer


def test_newest_jdk_is_taken_and_a_runtime_is_not(jvm_dir: Path) -> None:
    _jdk(jvm_dir / "jdk-21", "21.0.2")
    expected = _jdk(jvm_dir / "jdk-25", "25")
    _jdk(jvm_dir / "jre-26", "26", compiler=False)
    assert tools.java_home() == expected


def test_only_old_jdk_names_it_and_says_what_to_do(jvm_dir: Path) -> None:
    old = _jdk(jvm_dir / "jdk-17", "17.0.9")
    with pytest.raises(MissingToolError) as raised:
        tools.java_home()
    assert f"{old} (17)" in raised.value.detail
    assert "JAVA_HOME" in raised.value.detail
    assert "Debian 12 has none" in raised.value.detail


@pytest.mark.parametrize("finder", [tools.maven, tools.go])
def test_missing_program_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finder: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(finder)
    with pytest.raises(MissingToolError, match="apt install"):
        finder()


@pytest.mark.parametrize(("version", "accepted"), [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True)])
def test_go_that_cannot_fetch_its_own_tool_chain_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, accepted: bool
) -> None:
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
    """Give a way to put a fake apt on the PATH, and nothing else; it notes what it is asked to install."""

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
def test_go_that_would_be_refused_is_not_installed(apt: Callable[[str], Path], candidate: str) -> None:
    calls = apt(candidate)
    said: list[str] = []
    with pytest.raises(MissingToolError, match=r"Install Go 1\.21"):
        tools.provide_go(said.append)
    assert "install -y" not in calls.read_text()
    assert said == ["apt offers no golang-go of 1.21 or newer"]


@pytest.mark.parametrize("candidate", ["2:1.21~2", "2:1.24~2", "2.0-1"])
def test_go_that_is_new_enough_is_installed(apt: Callable[[str], Path], candidate: str) -> None:
    calls = apt(candidate)
    with pytest.raises(MissingToolError):  # the fake apt installs nothing
        tools.provide_go(lambda _: None)
    assert "install -y -qq --no-install-recommends golang-go" in calls.read_text()


def test_nothing_is_installed_by_a_user_who_may_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(MissingToolError):
        tools.provide_go(said.append)
    assert said == []
