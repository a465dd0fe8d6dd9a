"""docs/operations/troubleshooting.md names only codes that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import contracts.errors
from csvpipe.generate.errors_page import error_classes
from dags.modules.batch import UNKNOWN_UPLOAD
from nifi.definition import FLOW_FILE
from tests.support.docs.shell_blocks import ROOT

PAGE = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text(encoding="utf-8")
FOREIGN = {
    "awaiting_kafka",
    "running_elsewhere",
    "internal_error",
    "unprocessable",
    "invalid_request",
    "not_found",
    "method_not_allowed",
    UNKNOWN_UPLOAD,
}
"""Words without a class: states, errors of the framework, and reasons of dead letters."""


def test_codes_in_the_first_column_exist() -> None:
    listed = {
        code
        for row in re.findall(r"^\| ([^|]*`[^|]*) \|", PAGE, re.MULTILINE)
        for code in re.findall(r"`([a-z]+_[a-z_]+)`", row)
    }
    csv_reasons = set(re.findall(r'CsvFormatError\(\s*"(\w+)"', Path(ROOT, "csvscan", "errors.py").read_text()))
    processors = json.loads(FLOW_FILE.read_text())["flowContents"]["processors"]
    relay_reasons = {p["properties"]["failure.reason"] for p in processors if "failure.reason" in p["properties"]}
    known = {error.code for error in error_classes()} | csv_reasons | relay_reasons | FOREIGN
    assert contracts.errors.InvalidMessageError.code in listed
    assert listed - known == set()
