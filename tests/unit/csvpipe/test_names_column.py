"""File names beside a table."""

from __future__ import annotations

import sys

import pytest
from rich.cells import cell_len
from rich.table import Table

from csvpipe.names_column import cut, print_with_names


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [
        ("flights.csv", 11, "flights.csv"),
        ("flights.csv", 10, "fligh….csv"),
        ("", 5, ""),
        ("語語語語.csv", 11, "語語….csv"),
        ("語語語語.csv", 12, "語語語語.csv"),
        ("Cafe\u0301 au lait.csv", 12, "Cafe\u0301 a…t.csv"),
    ],
)
def test_middle_of_a_name_is_cut_by_the_columns_that_it_takes(name: str, columns: int, shown: str) -> None:
    assert cut(name, columns) == shown
    assert cell_len(shown) <= columns


def test_names_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("upload", box=None, pad_edge=False)
    table.add_row("1")
    table.add_row("2")
    print_with_names(table, "file", ["[bold]a[/bold]\x1b[31m\n\u202e.csv", ""])
    heading, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert (heading, second) == (["upload", "file"], ["2"])
    assert first == ["1", "[bold]a[/bold]\\x1b[31m\\n\\u202e.csv"]


def test_names_fill_the_terminal_and_no_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table = Table("upload", "size", box=None, pad_edge=False)
    table.add_row("a" * 32, "2.0 MiB")
    print_with_names(table, "file", ["n" * 200])
    _, line = capsys.readouterr().out.splitlines()
    assert cell_len(line) == 100
    assert line.split()[-1].count("n") == 100 - 32 - 2 - len("2.0 MiB") - 2 - 1
