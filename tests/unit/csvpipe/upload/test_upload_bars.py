from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Task

from csvpipe.upload.upload_bars import UploadBars


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, size in (("a.csv", 100), ("b.csv", 300)):
        (tmp_path / name).write_bytes(b"x" * size)
    return [tmp_path / "a.csv", tmp_path / "b.csv"]


def on_terminal(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> io.StringIO:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=100, legacy_windows=False, soft_wrap=True)
    monkeypatch.setattr("csvpipe.upload.upload_bars.messages", lambda: console)
    return stream


def done(bars: UploadBars) -> dict[str, tuple[float, float | None]]:
    assert bars._bars is not None
    tasks: list[Task] = bars._bars.tasks
    return {task.description: (task.completed, task.total) for task in tasks}


def test_bar_of_all_follows_the_files_also_where_one_resumes(
    monkeypatch: pytest.MonkeyPatch, files: list[Path]
) -> None:
    on_terminal(monkeypatch, is_terminal=True)
    with UploadBars(files) as bars:
        first = bars.file(files[0])
        first.restart_at(0)
        first.advance(80)
        first.restart_at(60)
        assert done(bars) == {"all files": (60, 400), "a.csv": (60, 100)}
        first.advance(40)
        first.finish()
        second = bars.file(files[1])
        second.restart_at(0, doing="reading what was sent before")
        second.advance(200)
        assert done(bars)["b.csv: reading what was sent before"] == (200, 300)
        assert done(bars)["all files"] == (100, 400)
        second.restart_at(200)
        assert done(bars) == {"all files": (300, 400), "a.csv": (100, 100), "b.csv": (200, 300)}


def test_bar_says_what_happens_between_the_last_byte_and_the_response(
    monkeypatch: pytest.MonkeyPatch, files: list[Path]
) -> None:
    on_terminal(monkeypatch, is_terminal=True)
    with UploadBars(files[:1]) as bars:
        view = bars.file(files[0])
        view.restart_at(40)
        view.advance(60)
        assert done(bars) == {"a.csv: sent, the uploader makes its chunks": (100, 100)}
        view.restart_at(80)
        assert done(bars) == {"a.csv": (80, 100)}
        view.advance(20)
        view.finish()
        assert done(bars) == {"a.csv": (100, 100)}


def test_one_file_has_no_bar_of_all(monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    on_terminal(monkeypatch, is_terminal=True)
    with UploadBars(files[:1]) as bars:
        bars.file(files[0]).restart_at(0)
        assert done(bars) == {"a.csv": (0, 100)}


def test_without_a_terminal_only_messages_are_shown(monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    stream = on_terminal(monkeypatch, is_terminal=False)
    with UploadBars(files) as bars:
        view = bars.file(files[0])
        view.restart_at(0)
        view.advance(50)
        view.say("Continuing after 50 B")
    assert stream.getvalue() == f"{files[0]}: Continuing after 50 B\n"
