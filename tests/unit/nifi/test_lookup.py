"""Replacement of the stand-in for nifi-aws-nar by Apache's NAR, with a fake of Maven."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stack.component import StackContext
from stack.components import nifi as component
from stack.components.nifi import NiFi
from stack.dist import run_tool
from stack.errors import MissingToolError, PrepareError
from stack.local import LocalStack
from tests.support.services import settings_on_free_ports

DAY_S = 24 * 3600
NOT_SERVED = PrepareError("mvn copy failed: Could not find artifact org.apache.nifi:nifi-aws-nar")


class FakeMaven:
    """Serves Apache's NARs, or fails with ``error``. Builds the stand-in on request."""

    def __init__(self) -> None:
        self.error: Exception | None = NOT_SERVED
        self.lookups = 0
        self.timeouts: list[float | None] = []

    def __call__(self, *arguments: str, cwd: Path, report: Any, timeout_s: float | None = None) -> None:
        if not any(argument.endswith(":copy") for argument in arguments):
            (cwd / "target" / "service-api").mkdir(parents=True)
            return
        self.lookups += 1
        self.timeouts.append(timeout_s)
        if self.error is not None:
            raise self.error
        output = next(a for a in arguments if a.startswith("-DoutputDirectory=")).partition("=")[2]
        name = next(a for a in arguments if a.startswith("-Dartifact=")).split(":")[1]
        (Path(output) / f"{name}-2.3.0.nar").write_bytes(b"of Apache")


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> FakeMaven:
    fake = FakeMaven()
    monkeypatch.setattr(component, "run_maven", fake)
    monkeypatch.setattr(component, "provide_java", lambda report: Path("/nowhere"))
    monkeypatch.setattr(component, "assemble_nar", lambda nar, jars, into, library: into / nar.filename)
    monkeypatch.setattr(NiFi, "_build_home", lambda self, into, report: (into / "lib").mkdir())
    return fake


@pytest.fixture
def context(tmp_path: Path) -> StackContext:
    return replace(LocalStack(root=tmp_path, settings=settings_on_free_ports()).context, dist=tmp_path / "dist")


def prepare(context: StackContext) -> tuple[str, list[str]]:
    lines: list[str] = []
    nifi = NiFi(context)
    nifi.prepare(lines.append)
    return nifi.description().rpartition(": ")[2], lines


def age(context: StackContext, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(NiFi(context).lookup_file, (then, then))


def test_standin_is_replaced_by_apaches_nar(context: StackContext, maven: FakeMaven) -> None:
    assert prepare(context)[0] == "stand-in"
    maven.error = None
    age(context, DAY_S + 1)
    whose, lines = prepare(context)
    assert whose == "Apache's"
    assert "replaced the stand-in" in lines[-1]
    assert [path.name for path in sorted((NiFi(context).s3_nar / "lib").iterdir())] == [
        "nifi-aws-nar-2.3.0.nar",
        "nifi-aws-service-api-nar-2.3.0.nar",
    ]


def test_maven_is_queried_once_a_day_with_a_timeout(context: StackContext, maven: FakeMaven) -> None:
    prepare(context)
    assert maven.lookups == 1
    for _ in range(3):
        assert prepare(context)[0] == "stand-in"
    assert maven.lookups == 1
    age(context, DAY_S + 1)
    for _ in range(3):
        assert prepare(context)[0] == "stand-in"
    assert maven.lookups == 2
    assert maven.timeouts[-1] is not None


@pytest.mark.parametrize(
    "error",
    [NOT_SERVED, PrepareError("no route to host"), PrepareError("timed out after 60 s"), MissingToolError("mvn")],
)
def test_standin_stays_offline(context: StackContext, maven: FakeMaven, error: Exception) -> None:
    prepare(context)
    age(context, DAY_S + 1)
    maven.error = error
    assert prepare(context)[0] == "stand-in"


def test_apaches_nar_is_not_looked_up_again(context: StackContext, maven: FakeMaven) -> None:
    maven.error = None
    assert prepare(context)[0] == "Apache's"
    lookups = maven.lookups
    assert prepare(context)[0] == "Apache's"
    assert maven.lookups == lookups


def test_tool_is_stopped_after_its_timeout(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(PrepareError, match="timed out after"):
        run_tool(["sleep", "60"], cwd=tmp_path, report=lines.append, what="sleep", timeout_s=0.1)
