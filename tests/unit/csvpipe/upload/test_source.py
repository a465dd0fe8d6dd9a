from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import SourceChangedError, SourceNotFoundError
from csvpipe.upload.source import FileSource, Part, PipeSource, Source, open_file, source_of

CONTENT = b"0123456789"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(CONTENT)
    return path


def parts_of(source: Source) -> Iterator[tuple[Part, bytes]]:
    for part in source.parts():
        yield part, part.read(part.start, part.end - part.start)


def pipe_of(content: bytes, *, block_bytes: int) -> Iterator[tuple[Part, bytes]]:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        yield from parts_of(PipeSource(pipe, block_bytes=block_bytes))


def test_file_is_one_part_that_can_be_read_anywhere(file: Path) -> None:
    with open_file(file) as opened:
        source = source_of(opened)
        [(part, content)] = parts_of(source)
        assert (source.size_bytes, part.start, part.end, part.is_last) == (10, 0, 10, True)
        assert content == CONTENT
        assert part.read(7, 100) == b"789"


def test_standard_input_that_is_a_file_begins_where_it_stands(file: Path) -> None:
    with file.open("rb") as opened:
        os.lseek(opened.fileno(), 4, os.SEEK_SET)
        source = source_of(opened)
        assert isinstance(source, FileSource)
        [(part, content)] = parts_of(source)
        assert (part.start, part.end, content) == (0, 6, b"456789")


@pytest.mark.parametrize("change", [b"0123456789x", b"012", b"9876543210"], ids=["longer", "shorter", "same size"])
def test_file_that_is_written_to_is_noticed(file: Path, change: bytes) -> None:
    with open_file(file) as opened:
        source = source_of(opened)
        assert isinstance(source, FileSource)
        source.check_unchanged()
        file.write_bytes(change)
        os.utime(file, ns=(0, source.identity.mtime_ns + 1))
        with pytest.raises(SourceChangedError):
            source.check_unchanged()


@pytest.mark.parametrize("block_bytes", [3, 5, 10, 11])
def test_blocks_of_a_pipe_are_the_whole_of_it(block_bytes: int) -> None:
    found = list(pipe_of(CONTENT, block_bytes=block_bytes))
    assert b"".join(content for _, content in found) == CONTENT
    assert [part.start for part, _ in found[1:]] == [part.end for part, _ in found[:-1]]
    assert [part.is_last for part, _ in found] == [False] * (len(found) - 1) + [True]


def test_part_of_a_pipe_can_be_read_from_the_middle() -> None:
    part, _ = list(pipe_of(CONTENT, block_bytes=6))[1]
    assert (part.start, part.read(8, 100)) == (6, b"89")


def test_empty_pipe_is_one_empty_part() -> None:
    [(part, content)] = pipe_of(b"", block_bytes=4)
    assert (part.start, part.end, part.is_last, content) == (0, 0, True, b"")


def test_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"nowhere\.csv cannot be read"), open_file(tmp_path / "nowhere.csv"):
        pass


def test_directory_as_standard_input_is_refused(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SourceNotFoundError, match="cannot be read"):
            list(parts_of(PipeSource(_FakeFile(fd))))  # type: ignore[arg-type]
    finally:
        os.close(fd)


class _FakeFile:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd
