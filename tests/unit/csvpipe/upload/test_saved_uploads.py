from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from csvpipe.errors import UploadInUseError
from csvpipe.upload.saved_uploads import SavedUploads, UploadSlot, state_directory
from csvpipe.upload.source import FileIdentity

FIELDS = {"dataset_name": "flights"}
WANTED: dict[str, Any] = {"server": "http://a:8000", "fields": FIELDS, "idempotency_key": None}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "uploads"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a\n1\n")
    return path


def slot(directory: Path | None, file: Path, **changes: Any) -> AbstractContextManager[UploadSlot]:
    wanted = {**WANTED, "path": file, "file": FileIdentity.of(file.stat()), **changes}
    return SavedUploads(directory).slot(**wanted)


def save(slot: UploadSlot, resumable_id: str) -> None:
    slot.save(slot.current.model_copy(update={"resumable_id": resumable_id}))


def test_next_run_finds_what_was_saved(directory: Path, file: Path) -> None:
    with slot(directory, file) as first:
        assert first.load() is None
        save(first, "r1")
    with slot(directory, file) as second:
        found = second.load()
        assert found is not None
        assert found == first.current
        assert (found.resumable_id, found.file) == ("r1", second.current.file)
        assert found.idempotency_key != second.current.idempotency_key
        second.forget()
    with slot(directory, file) as third:
        assert third.load() is None
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"server": "http://b:8000"},
        {"fields": {**FIELDS, "chunk_size": "7"}},
        {"idempotency_key": "mine"},
    ],
    ids=["server", "options", "key"],
)
def test_other_upload_has_a_place_of_its_own(directory: Path, file: Path, change: dict[str, Any]) -> None:
    with slot(directory, file) as first, slot(directory, file, **change) as other:
        save(first, "r1")
        assert other.load() is None


def test_file_is_the_same_by_whatever_path_it_is_reached(
    directory: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slot(directory, file) as first:
        save(first, "r1")
    monkeypatch.chdir(file.parent)
    link = file.with_name("link.csv")
    link.symlink_to(file)
    for path in (Path("x.csv"), link):
        with slot(directory, path) as other:
            assert other.load() == first.current


def test_only_the_user_can_read_what_is_saved(directory: Path, file: Path) -> None:
    before = os.umask(0)
    try:
        with slot(directory, file) as first:
            save(first, "r1")
            modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_what_is_saved_has_no_secret(directory: Path, file: Path) -> None:
    with slot(directory, file) as first:
        save(first, "r1")
        (saved,) = directory.glob("*.json")
        document = json.loads(saved.read_text())
    assert document.keys() == {"version", "server", "path", "file", "fields", "idempotency_key", "resumable_id"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"version": 2}', b"[]"])
def test_damaged_state_is_as_none(directory: Path, file: Path, content: bytes) -> None:
    with slot(directory, file) as first:
        save(first, "r1")
        (saved,) = directory.glob("*.json")
        saved.write_bytes(content)
        assert first.load() is None


def test_full_disk_leaves_what_was_saved_before(directory: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with slot(directory, file) as first:
        save(first, "r1")
        before = first.current
        monkeypatch.setattr("csvpipe.upload.saved_uploads.os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            save(first, "r2")
        assert first.load() == before
        assert {path.suffix for path in directory.iterdir()} == {".json", ".lock"}


@contextmanager
def other_process(directory: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the place of ``file`` in a process of its own, until that is killed."""
    code = (
        "import sys, pathlib\n"
        "from tests.unit.csvpipe.upload.test_saved_uploads import slot\n"
        "with slot(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(directory), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_second_process_is_refused_until_the_first_one_is_dead(directory: Path, file: Path) -> None:
    with other_process(directory, file) as process:
        with pytest.raises(UploadInUseError, match=r"x\.csv"), slot(directory, file):
            pass
        process.kill()
        process.wait()
        with slot(directory, file) as free:
            assert free.load() is None


def test_what_nobody_asked_for_in_a_month_is_removed(directory: Path, file: Path) -> None:
    with slot(directory, file) as first:
        save(first, "r1")
    (saved,) = directory.glob("*.json")
    os.utime(saved, (0, saved.stat().st_mtime - 29 * 24 * 3600))
    SavedUploads(directory)
    assert saved.exists()
    os.utime(saved, (0, saved.stat().st_mtime - 2 * 24 * 3600))
    SavedUploads(directory)
    assert not saved.exists()


def test_without_a_directory_nothing_is_saved(file: Path) -> None:
    with slot(None, file) as first:
        save(first, "r1")
        assert first.current.resumable_id == "r1"
        assert first.load() is None


def test_directory_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "csvpipe" / "uploads"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/mary")
    assert state_directory() == Path("/home/mary/.local/state/csvpipe/uploads")
