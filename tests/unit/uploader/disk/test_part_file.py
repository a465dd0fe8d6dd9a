from __future__ import annotations

import os
from pathlib import Path

import pytest

from uploader.disk.directories import STAGING
from uploader.disk.part_file import PartFile, create_part, part_directory, part_ids, read_state, remove_part
from uploader.disk.upload_turn import UploadTurn

ID = "a" * 32


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_part(tmp_path, ID, length=10, at=5.0)
    return part_directory(tmp_path, ID)


def _append(directory: Path, data: bytes, *, marks: list[tuple[int, int]] | None = None, at: float = 6.0) -> None:
    part = PartFile.open(directory)
    part.append(memoryview(data))
    part.save(offset=part.size, scan={"rows": part.size}, new_marks=marks or [], touched_at=at)
    part.close()


def test_new_upload_has_no_bytes(directory: Path) -> None:
    state = read_state(directory)
    assert (state.offset, state.length, state.scan, state.touched_at) == (0, 10, None, 5.0)


def test_saved_bytes_marks_and_scan_are_found_again(directory: Path) -> None:
    _append(directory, b"abc", marks=[(1, 0), (2**40, 7)])
    _append(directory, b"de", marks=[(5, 8)], at=7.0)
    part = PartFile.open(directory)
    assert part.read_prefix(5) == b"abcde"
    assert part.read_marks() == [(1, 0), (2**40, 7), (5, 8)]
    assert (part.state.offset, part.state.scan, part.state.touched_at) == (5, {"rows": 5}, 7.0)
    part.close()


def test_bytes_that_were_not_saved_are_dropped(directory: Path) -> None:
    _append(directory, b"abc")
    part = PartFile.open(directory)
    part.append(memoryview(b"lost"))
    part.close()
    part = PartFile.open(directory)
    assert (part.size, part.path.read_bytes()) == (3, b"abc")
    part.close()


@pytest.mark.parametrize("keep", [0, 7, 20])
def test_state_that_was_written_in_part_gives_way_to_the_one_before(directory: Path, keep: int) -> None:
    _append(directory, b"abc")
    _append(directory, b"de")
    newest = directory / f"state.{read_state(directory).number % 2}"
    content = newest.read_bytes()
    newest.write_bytes(content[:keep] + os.urandom(len(content) - keep))
    assert read_state(directory).offset == 3


def test_marks_of_a_state_that_was_lost_are_written_again(directory: Path) -> None:
    _append(directory, b"abc", marks=[(1, 1)])
    _append(directory, b"de", marks=[(4, 4), (5, 5)])
    (directory / f"state.{read_state(directory).number % 2}").write_bytes(b"")
    _append(directory, b"xyz", marks=[(6, 6)])
    part = PartFile.open(directory)
    assert part.read_marks() == [(1, 1), (6, 6)]
    part.close()


def test_upload_without_a_whole_state_is_missing(directory: Path) -> None:
    for name in ("state.0", "state.1"):
        (directory / name).write_bytes(bytes(100))
    with pytest.raises(FileNotFoundError):
        read_state(directory)


def test_removed_upload_leaves_nothing(tmp_path: Path, directory: Path) -> None:
    assert part_ids(tmp_path) == [ID]
    assert remove_part(tmp_path, ID)
    assert remove_part(tmp_path, ID)
    assert (part_ids(tmp_path), list((tmp_path / STAGING).iterdir())) == ([], [])


def test_newest_claim_takes_the_turn(directory: Path) -> None:
    older, newer = UploadTurn(directory), UploadTurn(directory)
    seen = []
    older.claim()
    seen.append((older.try_lock(), older.is_superseded))
    newer.claim()
    seen.append((newer.try_lock(), older.is_superseded))
    older.release()
    seen.append((newer.try_lock(), newer.is_superseded))
    newer.release()
    assert seen == [(True, False), (False, True), (True, False)]
