"""A last column of file names, which may be long: on a terminal they are cut to the room that the table leaves."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import accumulate, takewhile

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from contracts.printable import printable
from csvpipe.console import output, print_table, width_of

_GAP = 2
_LEAST_COLUMNS = 24
"""Of a name: a date and a file type can be told at its end."""


def print_with_names(table: Table, heading: str, names: Iterable[str]) -> None:
    """Print a table in full, and ``names``, which are text of others, beside it.

    Args:
        table: without a box; its rows take one line each.
        heading: of the names.
        names: one for each row. They are whole if the output is not a terminal.
    """
    column = Table(heading, box=None, pad_edge=False)
    room = max(output().width - width_of(table) - _GAP, _LEAST_COLUMNS) if sys.stdout.isatty() else None
    for name in map(printable, names):
        column.add_row(Text(name if room is None else cut(name, room)))
    both = Table.grid(padding=(0, _GAP))
    both.add_row(table, column)
    print_table(both)


def cut(name: str, columns: int) -> str:
    """Return ``name`` without its middle if it is wider than ``columns``: names often differ only in their ends."""
    if cell_len(name) <= columns:
        return name
    after = (columns - 1) // 2
    before = columns - 1 - after
    return f"{_beginning(name, before)}\N{HORIZONTAL ELLIPSIS}{_beginning(name[::-1], after)[::-1]}"


def _beginning(text: str, columns: int) -> str:
    """Return as much of ``text`` as fits: a character may be two columns wide, or none."""
    widths = accumulate(map(cell_len, text))
    return text[: sum(1 for _ in takewhile(lambda width: width <= columns, widths))]
