"""Bars for files that are sent, with rate and remaining time, and one for all of them; nothing without a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import TaskID

from csvpipe.console import byte_progress, messages, shown
from csvpipe.upload.source import STDIN


class UploadBars:
    """Shows the files of one command, as a context."""

    def __init__(self, paths: Sequence[Path]) -> None:
        console = messages()
        self._bars = byte_progress(console) if console.is_terminal else None
        self._sizes = {path: _size_of(path) for path in paths}
        self._total: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._bars is not None:
            self._bars.start()
            sizes = list(self._sizes.values())
            if len(sizes) > 1:
                known = [size for size in sizes if size is not None]
                self._total = self._bars.add_task("all files", total=sum(known) if len(known) == len(sizes) else None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the last state on the terminal."""
        if self._bars is not None:
            self._bars.stop()

    def file(self, path: Path) -> FileView:
        """Return the view of the next file."""
        return FileView(self, path)

    def add(self, name: str, path: Path) -> TaskID | None:
        """Add the bar of a file; None without a terminal."""
        if self._bars is None:
            return None
        return self._bars.add_task(name, total=self._sizes.get(path))

    def reset(self, task: TaskID | None, completed: int, description: str, *, moved: int) -> None:
        """Continue a bar at another place; the bar of all moves by ``moved`` bytes."""
        if self._bars is None or task is None:
            return
        self._bars.reset(task, completed=completed, description=description)
        self._move_total(moved)

    def advance(self, task: TaskID | None, size_bytes: int, *, moved: int) -> None:
        """Advance a bar, and that of all by ``moved`` bytes."""
        if self._bars is not None and task is not None:
            self._bars.advance(task, size_bytes)
            self._move_total(moved)

    def describe(self, task: TaskID | None, description: str) -> None:
        """Change the text of a bar."""
        if self._bars is not None and task is not None:
            self._bars.update(task, description=description)

    def _move_total(self, moved: int) -> None:
        if self._bars is not None and self._total is not None and moved:
            self._bars.update(self._total, advance=moved)


class FileView:
    """Shows one file."""

    def __init__(self, bars: UploadBars, path: Path) -> None:
        self._name = shown("stdin.csv" if path == STDIN else path.name)
        self._path = "standard input" if path == STDIN else shown(path)
        self._bars = bars
        self._task = bars.add(self._name, path)
        self._size_bytes = _size_of(path)
        self._position = 0
        self._is_sending = True

    def restart_at(self, offset: int, *, doing: str = "") -> None:
        """Show that the next bytes follow ``offset``; ``doing`` names another work than sending."""
        self._is_sending = not doing
        moved = 0
        if self._is_sending:
            moved, self._position = offset - self._position, offset
        self._bars.reset(self._task, offset, f"{self._name}: {doing}" if doing else self._name, moved=moved)

    def advance(self, size_bytes: int) -> None:
        """Show that so many more bytes are done."""
        moved = size_bytes if self._is_sending else 0
        self._position += moved
        self._bars.advance(self._task, size_bytes, moved=moved)
        if self._is_sending and self._position == self._size_bytes:
            self._bars.describe(self._task, f"{self._name}: sent, the uploader makes its chunks")

    def finish(self) -> None:
        """Show that the uploader has answered."""
        self._bars.describe(self._task, self._name)

    def say(self, text: str) -> None:
        """Tell the user something about this file."""
        messages().print(f"{self._path}: {shown(text)}")


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
