from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict

import pytest

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode

PACKAGES = ("aws", "contracts", "csvpipe", "nifi", "sequencer", "stack", "telemetry", "uploader")
DAG_ERRORS = "dags.modules.errors"


def descendants(kind: type[CsvPipeError]) -> set[type[CsvPipeError]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


@pytest.fixture(scope="module")
def errors() -> set[type[CsvPipeError]]:
    importlib.import_module(DAG_ERRORS)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if ".migrations" not in module.name and not module.name.endswith(("__main__", ".worker")):
                importlib.import_module(module.name)
    return {kind for kind in descendants(CsvPipeError) if not kind.__module__.startswith(("tests", "test_"))}


def test_each_code_belongs_to_one_class(errors: set[type[CsvPipeError]]) -> None:
    classes = defaultdict(set)
    for kind in errors:
        classes[kind.code].add(f"{kind.__module__}.{kind.__name__}")
    assert {code: names for code, names in classes.items() if len(names) > 1} == {}


def test_each_class_has_an_http_status_and_an_exit_code(errors: set[type[CsvPipeError]]) -> None:
    assert len(errors) > 80
    for kind in errors:
        assert 300 <= kind.status < 600, kind
        assert isinstance(kind.exit_code, ExitCode), kind
