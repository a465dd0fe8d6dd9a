"""The page of symptoms is held to the code: each code of an error stands there, and none that there is not."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest

import contracts.errors
import csvpipe.commands.recover
import csvpipe.commands.verify
import csvpipe.errors
import csvpipe.extras
import csvpipe.multipart
import csvpipe.proof
import csvpipe.upload_id
import sequencer.errors
import uploader.errors
from contracts.errors import CsvPipeError
from dags.modules.batch import UNKNOWN_UPLOAD
from nifi.definition import FLOW_FILE
from tests.support.docs.shell_blocks import ROOT

PAGE = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text()
SECTIONS: dict[str, list[str]] = {
    "The uploader answers": ["uploader", "tracing"],
    "A command of csvpipe ends": ["csvpipe"],
    "A task of Airflow fails": ["dags"],
    "csvpipe nifi does not succeed": ["nifi"],
    "The sequencer stops": ["sequencer"],
    "The local stack does not start": ["stack"],
}
"""Whose errors a section has: packages."""


def rows(section: str) -> list[list[str]]:
    """Return the cells of each row of the table in ``section``, without its head."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(section: str) -> list[str]:
    """Return the codes in the first column of ``section``."""
    return [code for row in rows(section) for code in re.findall(r"`([a-z0-9_]+)`", row[0])]


def codes_in(package: str) -> Iterator[str]:
    """Give what stands in the sources of ``package`` as the code of an error: of a class, or as an argument."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield from _codes_of(node)
            elif isinstance(node, ast.Call):
                values = [word.value for word in node.keywords if word.arg == "code"]
                yield from (str(value.value) for value in values if isinstance(value, ast.Constant))


def _codes_of(node: ast.ClassDef) -> Iterator[str]:
    for line in node.body:
        names = [line.target] if isinstance(line, ast.AnnAssign) else getattr(line, "targets", [])
        value = getattr(line, "value", None)
        if [name.id for name in names if isinstance(name, ast.Name)] == ["code"] and isinstance(value, ast.Constant):
            yield str(value.value)


@pytest.mark.parametrize("section", SECTIONS)
def test_section_has_every_code_of_its_packages_and_no_other(section: str) -> None:
    known = {code for package in SECTIONS[section] for code in codes_in(package)}
    if SECTIONS[section] == ["dags"]:
        known -= {"unprocessable"}  # the reason of a dead letter, which has a table of its own
    assert len(known) > 3
    assert known <= set(codes(section)) <= known | set(codes_in("contracts"))
    assert len(codes(section)) == len(set(codes(section))), "each once"


def test_every_shared_code_has_a_row() -> None:
    assert set(codes_in("contracts")) <= {code for section in SECTIONS for code in codes(section)}


def test_every_package_with_errors_has_a_section() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    covered = {package for listed in SECTIONS.values() for package in listed}
    assert {package for package in packages if set(codes_in(package))} == covered | {"contracts"}


def test_reasons_of_a_refused_csv_are_those_of_the_scanner() -> None:
    source = (ROOT / "csvscan" / "errors.py").read_text()
    assert set(codes("The uploader refuses a CSV")) == set(re.findall(r'return CsvFormatError\(\s*"(\w+)"', source))


def test_codes_of_dead_letters_are_those_that_the_listener_writes() -> None:
    written = {code for code in codes_in("dags") if code == "unprocessable"} | {UNKNOWN_UPLOAD}
    assert set(codes("A message is in the dead-letter topic")) == written | {contracts.errors.InvalidMessageError.code}


def test_reasons_of_nifi_are_those_of_the_flow() -> None:
    processors = json.loads(FLOW_FILE.read_text())["flowContents"]["processors"]
    reasons = {p["properties"]["failure.reason"] for p in processors if "failure.reason" in p["properties"]}
    assert set(codes("NiFi gives a chunk up")) == reasons


def classes(*modules: object) -> dict[str, type[CsvPipeError]]:
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {error.code: error for error in found if issubclass(error, CsvPipeError)}


def test_statuses_are_those_of_the_errors() -> None:
    known = classes(contracts.errors, uploader.errors)
    for row in rows("The uploader answers"):
        for code in re.findall(r"`([a-z0-9_]+)`", row[0]):
            if code in known and row[1]:
                assert row[1] == str(known[code].status), code


@pytest.mark.parametrize(
    ("section", "modules"),
    [
        ("The sequencer stops", [sequencer.errors]),
        (
            "A command of csvpipe ends",
            [
                csvpipe.errors,
                csvpipe.extras,
                csvpipe.multipart,
                csvpipe.proof,
                csvpipe.upload_id,
                csvpipe.commands.recover,
                csvpipe.commands.verify,
            ],
        ),
    ],
)
def test_exit_codes_are_those_of_the_errors(section: str, modules: list[object]) -> None:
    known = classes(contracts.errors, *modules)
    for row in rows(section):
        for code in re.findall(r"`([a-z0-9_]+)`", row[0]):
            assert row[1] == str(known[code].exit_code.value), code
