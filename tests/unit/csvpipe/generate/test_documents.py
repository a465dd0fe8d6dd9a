"""The generated documents in the repository are up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from csvpipe.generate import cli_page, env_example, errors_page, metrics_page, settings_page
from csvpipe.generate.documents import OPENAPI
from csvpipe.generate.schemas import MANIFEST_AVRO, MANIFEST_JSON, MESSAGE_AVRO, MESSAGE_JSON

RENEW = "run `make generate` and commit the result"
FILES = [
    OPENAPI,
    MESSAGE_JSON,
    MANIFEST_JSON,
    MESSAGE_AVRO,
    MANIFEST_AVRO,
    *(page.FILE for page in (env_example, settings_page, cli_page, errors_page, metrics_page)),
]
_RENDER = """
import json, sys
from csvpipe.generate.documents import render_all
json.dump({str(path): text for path, text in render_all().items()}, sys.stdout)
"""


@pytest.fixture(scope="module")
def rendered() -> dict[Path, str]:
    """Return all documents, rendered in a process of their own: without the settings and imports of other tests."""
    import json

    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "PYTHONPATH"}}
    done = subprocess.run([sys.executable, "-c", _RENDER], capture_output=True, text=True, check=True, env=environment)
    return {Path(path): text for path, text in json.loads(done.stdout).items()}


def test_every_generated_document_is_checked(rendered: dict[Path, str]) -> None:
    assert set(FILES) == set(rendered)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_document_is_up_to_date(path: Path, rendered: dict[Path, str]) -> None:
    assert path.read_text(encoding="utf-8") == rendered[path], RENEW


def test_reference_pages_describe_every_entry(rendered: dict[Path, str]) -> None:
    for page in (settings_page, errors_page, metrics_page):
        incomplete = [
            line for line in rendered[page.FILE].splitlines() if line.startswith("| `") and line.endswith("|  |")
        ]
        assert incomplete == []
