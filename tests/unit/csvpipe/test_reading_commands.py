"""``csvpipe head`` and ``csvpipe readers``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.exit_codes import ExitCode
from tests.support.uploader.fake_uploader import UPLOAD_ID, run_fake_uploader

ROWS = {"header": ["id", "note\x1b[31m"], "rows": [["007", "a\nb"], ["008"], ["009", "c", "d"]], "row_count": 1_234}
NAMES = {"DuckDB": "sql", "Polars": "python", "Spark": "python", "Trino": "sql"}
READERS: dict[str, Any] = {
    "readers": [
        {"name": name, "language": language, "statement": f"read\nwith {name};\n", "notes": [f"{name} [misreads]"]}
        for name, language in NAMES.items()
    ],
    "notes": ["It has not landed."],
}


def test_head_shows_the_rows_and_how_many_there_are(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [ROWS]
        assert run("head", UPLOAD_ID, "-n", "3", "--url", fake.url) == 0
        assert fake.path == f"/uploads/{UPLOAD_ID}/rows?limit=3"
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines == [["id", "note\\x1b[31m"], ["007", "a\\nb"], ["008"], ["009", "c", "d"]]
    assert shown.err.strip() == "3 of 1,234 rows"


def test_head_prints_the_rows_as_they_are_as_a_document(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [ROWS]
        assert run("head", UPLOAD_ID, "--url", fake.url, "--json") == 0
    assert json.loads(capsys.readouterr().out) == ROWS


def test_readers_prints_every_statement_by_name(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [READERS]
        assert run("readers", UPLOAD_ID, "--url", fake.url) == 0
        assert fake.path == f"/uploads/{UPLOAD_ID}/readers"
    shown = capsys.readouterr()
    marks = {"sql": "--", "python": "#"}
    assert shown.out == "".join(f"{marks[language]} {name}\nread\nwith {name};\n\n" for name, language in NAMES.items())
    notes = [f"note: {name}: {name} [misreads]" for name in NAMES]
    assert shown.err.splitlines() == ["note: It has not landed.", *notes]


def test_statement_of_one_program_can_be_piped_into_it(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [READERS]
        assert run("readers", UPLOAD_ID, "--for", "DuckDB", "--url", fake.url) == 0
        shown = capsys.readouterr()
        assert run("readers", UPLOAD_ID, "--for", "spark", "--url", fake.url, "--json") == 0
    assert shown.out == "read\nwith DuckDB;\n"
    document = json.loads(capsys.readouterr().out)
    assert [reader["name"] for reader in document["readers"]] == ["Spark"]


_WRONG = [
    ("readers", UPLOAD_ID, "--for", "excel"),
    ("list", "--status", "done"),
    *((name, "x") for name in ("readers", "head", "status", "announce")),
]


@pytest.mark.parametrize("given", _WRONG)
def test_wrong_usage_asks_nothing_of_the_uploader(given: tuple[str, ...], run: Callable[..., int]) -> None:
    assert run(*given, "--url", "http://127.0.0.1:9") == ExitCode.USAGE
