"""Shared builds: built once, and never left incomplete."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stack.dist import build_once, is_built, run_tool
from stack.errors import PrepareError


def test_same_stamp_is_not_built_again(tmp_path: Path) -> None:
    builds: list[Path] = []

    def build(into: Path) -> None:
        builds.append(into)
        (into / "jar").write_text("1")

    for _ in range(2):
        target = build_once(tmp_path, "kafka-1", "v1", build)
    assert (target / "jar").read_text() == "1"
    assert len(builds) == 1


def test_other_stamp_replaces_the_whole_build(tmp_path: Path) -> None:
    build_once(tmp_path, "kafka", "v1", lambda into: (into / "old.jar").touch())
    target = build_once(tmp_path, "kafka", "v2", lambda into: (into / "new.jar").touch())
    assert sorted(path.name for path in target.glob("*.jar")) == ["new.jar"]


def test_failed_build_keeps_the_old_one(tmp_path: Path) -> None:
    build_once(tmp_path, "kafka", "v1", lambda into: (into / "old.jar").touch())

    def broken(into: Path) -> None:
        (into / "half.jar").touch()
        raise PrepareError("the network went away")

    with pytest.raises(PrepareError):
        build_once(tmp_path, "kafka", "v2", broken)
    assert is_built(tmp_path, "kafka", "v1")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["kafka"]


def test_failed_tool_shows_the_end_of_its_output(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('artifact not found'); raise SystemExit(4)"]
    with pytest.raises(PrepareError, match=r"(?s)mvn failed with exit code 4.*artifact not found"):
        run_tool(argv, cwd=tmp_path, report=print, what="mvn")
