"""What the components say of each other; none of them is started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stack.component import Component, StackContext
from stack.components.nifi import NiFi
from stack.components.uploader import Uploader
from stack.local import LocalStack
from stack.settings import StackSettings

HOST = "127.0.0.2"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """Give a stack on another address than the default; what needs a JDK is told that there is one."""
    for component in ("kafka", "nifi"):
        monkeypatch.setattr(f"stack.components.{component}.provide_java", lambda _: Path("/jdk"))
    return LocalStack(root=tmp_path, settings=StackSettings.on_free_ports(_env_file=None, host=HOST))


@pytest.fixture
def context(stack: LocalStack) -> StackContext:
    return stack.context


def test_chunks_of_this_stacks_uploader_are_fetched_and_no_others(context: StackContext) -> None:
    pattern = re.compile(NiFi(context).flow_parameters()["source.url.pattern"])
    route = f"/chunks/{'a' * 32}/17/download"
    assert pattern.fullmatch(Uploader(context).url + route)
    for other in ("http://127.0.0.1:1", "http://127a0b0c2:1", f"http://{HOST}", f"http://{HOST}:1"):
        assert not pattern.fullmatch(other + route)


def test_ports_are_looked_at_where_they_are_needed(stack: LocalStack) -> None:
    specs = [spec for component in stack.components.values() for spec in component.processes()]
    assert {spec.host for spec in specs if spec.ports} == {HOST}


def test_each_component_comes_after_what_it_waits_for(stack: LocalStack) -> None:
    def waits_for(component: Component) -> set[str]:
        return {*component.needs, *(name for spec in component.processes() for name in spec.after)}

    names = list(stack.components)
    for component in stack.components.values():
        assert waits_for(component) <= set(names[: names.index(component.name)])


def test_no_run_begins_before_what_runs_talk_to_is_there(stack: LocalStack) -> None:
    specs = {spec.name: spec for spec in stack.components["airflow"].processes()}
    assert set(specs["airflow-scheduler"].after) == {"nifi", "minio", "uploader"}
