"""Dependencies and addresses of the components, without starting them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stack.component import Component, StackContext
from stack.components.nifi import NiFi
from stack.components.uploader import Uploader
from stack.local import LocalStack
from stack.settings import StackSettings
from tests.support.signatures import FAKE_SIGNATURE

HOST = "127.0.0.2"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """Return a stack on another address than the default, with a fake JDK."""
    for component in ("kafka", "nifi"):
        monkeypatch.setattr(f"stack.components.{component}.provide_java", lambda _: Path("/jdk"))
    return LocalStack(root=tmp_path, settings=StackSettings.on_free_ports(_env_file=None, host=HOST))


@pytest.fixture
def context(stack: LocalStack) -> StackContext:
    return stack.context


def test_only_chunks_of_this_stacks_uploader_are_fetched(context: StackContext) -> None:
    pattern = re.compile(NiFi(context).flow_parameters()["source.url.pattern"])
    route = f"/chunks/{'a' * 32}/17/download/{FAKE_SIGNATURE}"
    assert pattern.fullmatch(Uploader(context).url + route)
    for other in ("http://127.0.0.1:1", "http://127a0b0c2:1", f"http://{HOST}", f"http://{HOST}:1"):
        assert not pattern.fullmatch(other + route)


def test_ports_are_checked_on_the_host_of_the_stack(stack: LocalStack) -> None:
    specs = [spec for component in stack.components.values() for spec in component.processes()]
    assert {spec.host for spec in specs if spec.ports} == {HOST}


def test_components_follow_their_dependencies(stack: LocalStack) -> None:
    def waits_for(component: Component) -> set[str]:
        return {*component.needs, *(name for spec in component.processes() for name in spec.after)}

    names = list(stack.components)
    for component in stack.components.values():
        assert waits_for(component) <= set(names[: names.index(component.name)])


def test_scheduler_waits_for_the_services_of_runs(stack: LocalStack) -> None:
    specs = {spec.name: spec for spec in stack.components["airflow"].processes()}
    assert set(specs["airflow-scheduler"].after) == {"nifi", "minio", "uploader"}
