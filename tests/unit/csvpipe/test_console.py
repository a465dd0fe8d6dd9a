"""What others have named cannot steer the terminal of who looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.table import Table

from contracts.errors import CsvPipeError
from csvpipe.cli import print_error
from csvpipe.console import messages, output, shown

EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202ecsv\u2028b\x7f[red]c[/]"


def is_safe(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@pytest.mark.parametrize("console", [output, messages])
def test_text_of_others_is_escaped_however_it_is_printed(
    capsys: pytest.CaptureFixture[str], console: Callable[[], Console]
) -> None:
    console().print(EVIL, markup=False)
    console().print(shown(EVIL))
    table = Table("name")
    table.add_row(shown(EVIL))
    console().print(table)
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert is_safe(text)
    assert text.count("\\x1b]0;owned") == 3
    assert text.count("[red]c[/]") == 3


def test_own_colours_are_kept_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output().print(f"[green]VERIFIED[/] {shown(EVIL)}")
    text = capsys.readouterr().out
    assert text.startswith("\x1b[32mVERIFIED\x1b[0m a\\x1b]0;owned")


def test_line_end_in_a_name_does_not_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output().print(shown("a.csv\nVERIFIED b.csv"))
    assert capsys.readouterr().out == "a.csv\\nVERIFIED b.csv\n"


def test_error_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(CsvPipeError(f"bad\n{EVIL}", field=EVIL[:20]))
    text = capsys.readouterr().err
    assert is_safe(text)
    assert len(text.splitlines()) == 2
