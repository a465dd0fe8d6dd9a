"""Terminal output: consoles, tables, sizes and progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from contracts.names import BYTES_PER_MB
from contracts.printable import printable

PIPE_WIDTH = 200
"""Columns if the output is not a terminal."""
_WIDEST = 100_000


def output() -> Console:
    """Return the console for results (stdout)."""
    return _console(sys.stdout, stderr=False)


def messages() -> Console:
    """Return the console for progress and remarks (stderr), so that results can be piped."""
    return _console(sys.stderr, stderr=True)


def shown(value: object) -> str:
    """Return text of others for use in rich's markup: without markup and control characters."""
    return escape(printable(str(value)))


def print_table(table: Table) -> None:
    """Print a table in full: on a narrow terminal its lines wrap, and no cell is cut or folded."""
    console = output()
    console.width = width_of(table)
    console.print(table)


def width_of(table: Table) -> int:
    """Return the columns that a table needs so that no cell is cut or folded."""
    console = output()
    console.width = _WIDEST
    return Measurement.get(console, console.options, table).maximum


def format_bytes(size_bytes: int) -> str:
    """Return ``size_bytes`` for people: ``29.6 MiB``, and plain bytes below 0.1 MiB."""
    if size_bytes < BYTES_PER_MB // 10:
        return f"{size_bytes} B"
    if size_bytes < 1024 * BYTES_PER_MB:
        return f"{size_bytes / BYTES_PER_MB:.1f} MiB"
    return f"{size_bytes / BYTES_PER_MB / 1024:.2f} GiB"


def byte_progress(console: Console) -> Progress:
    """Return a progress bar for bytes, with rate and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _BytesColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )


def record_progress(console: Console) -> Progress:
    """Return a progress bar for records, with remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )


def chunk_progress(console: Console) -> Progress:
    """Return a progress bar for chunks, with their states and elapsed time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[states]}"),
        TimeElapsedColumn(),
        console=console,
        transient=False,
    )


class _BytesColumn(ProgressColumn):
    """``12.0 MiB of 29.6 MiB``: rich's own column would mix units."""

    def render(self, task: Task) -> Text:
        done = format_bytes(int(task.completed))
        return Text(done if task.total is None else f"{done} of {format_bytes(int(task.total))}")


class _RateColumn(ProgressColumn):
    """``61.6 MiB/s``."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate / BYTES_PER_MB:.1f} MiB/s")


class _SafeConsole(Console):
    """Prints no control characters but those of rich itself."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give the segments of ``renderable``, their text escaped."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text, keep_line_ends=True), segment.style)


def _console(stream: TextIO, *, stderr: bool) -> Console:
    width = None if stream.isatty() else PIPE_WIDTH
    return _SafeConsole(stderr=stderr, highlight=False, soft_wrap=True, width=width)
