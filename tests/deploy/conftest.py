"""What several files share: the overlays, the AWS options with the fake AWS provider, and an engine for images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.containers import debian_base
from tests.support.containers.engine import Engine, open_engine, provide_engine
from tests.support.kafka.fixtures import broker_authority, secure_broker
from tests.support.kubernetes.manifests import OVERLAYS, Manifests, load_overlay
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import OPTIONS, plan, prepared

__all__ = ["broker_authority", "secure_broker"]


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """Each overlay in turn."""
    return load_overlay(request.param)


@pytest.fixture
def hanoi() -> Manifests:
    return load_overlay("hanoi")


@pytest.fixture
def local() -> Manifests:
    return load_overlay("local")


@pytest.fixture(scope="session")
def prepared_option(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def option(name: str) -> Path:
        if name not in made:
            made[name] = prepared(name, tmp_path_factory.mktemp(name))
        return made[name]

    return option


@pytest.fixture(scope="session", params=OPTIONS)
def option(request: pytest.FixtureRequest, prepared_option: Callable[[str], Path]) -> Path:
    """The directory of each option."""
    return prepared_option(request.param)


@pytest.fixture(scope="session")
def example_plan(option: Path) -> Plan:
    """What each option would set up for its example."""
    return Plan(plan(option))


@pytest.fixture(scope="session")
def planned(prepared_option: Callable[[str], Path]) -> Callable[..., Plan]:
    """Return the plan of an option with some variables changed."""
    made: dict[tuple[str, ...], Plan] = {}

    def with_variables(name: str, **variables: str) -> Plan:
        key = (name, *(f"{k}={v}" for k, v in variables.items()))
        if key not in made:
            made[key] = Plan(plan(prepared_option(name), **variables))
        return made[key]

    return with_variables


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine for images, with storage of its own."""
    provide_engine()
    engine = open_engine(tmp_path_factory.mktemp("engine") / "storage")
    yield engine
    engine.remove()


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    """The name of the Debian image that ours are built on."""
    return debian_base.make_base(engine)


@pytest.fixture(scope="session")
def build_secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The secrets of a build: how this machine reaches its package index."""
    return debian_base.build_secrets(tmp_path_factory.mktemp("secrets"))
