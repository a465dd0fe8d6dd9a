"""How things look on the terminal: consoles, sizes, rates, and the two progress bars."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from contracts.names import BYTES_PER_MB


def output() -> Console:
    """Return the console for results (stdout)."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """Return the console for progress and remarks (stderr), so that results can be piped."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def format_bytes(size_bytes: int) -> str:
    """Return ``size_bytes`` for people: ``29.6 MB`` (of 1 048 576 bytes), and plain bytes below 0.1 MB."""
    if size_bytes < BYTES_PER_MB // 10:
        return f"{size_bytes} B"
    if size_bytes < 1024 * BYTES_PER_MB:
        return f"{size_bytes / BYTES_PER_MB:.1f} MB"
    return f"{size_bytes / BYTES_PER_MB / 1024:.2f} GB"


def format_count(count: int) -> str:
    """Return ``count`` with its digits in groups of three: ``336 776``."""
    return f"{count:,}".replace(",", " ")


def byte_progress(console: Console) -> Progress:
    """Return a bar for bytes: how many of how many, rate, time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )


def chunk_progress(console: Console) -> Progress:
    """Return a bar for chunks: how many of how many, the states, time so far."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[states]}"),
        TimeElapsedColumn(),
        console=console,
        transient=False,
    )
