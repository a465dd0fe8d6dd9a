"""Ranges of files, read and copied block by block."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from uploader.ingest.pipeline.file_io import copy_range, read_blocks

CONTENT = bytes(range(100))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 100), (3, 97), (20, 30), (0, 10), (5, 5), (100, 100)])
def test_blocks_are_those_of_the_range(source: int, start: int, end: int | None) -> None:
    blocks = [bytes(block) for block in read_blocks(source, memoryview(bytearray(10)), start=start, end=end)]
    assert b"".join(blocks) == CONTENT[start:end]
    assert all(0 < len(block) <= 10 for block in blocks)


def test_file_that_is_shorter_than_the_range_is_told(source: int) -> None:
    with pytest.raises(OSError, match=r"^the file ends at byte 100, 5 bytes early$"):
        list(read_blocks(source, memoryview(bytearray(10)), start=95, end=105))


def test_range_is_copied_behind_what_is_there_and_hashed(source: int, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"head")
    with (tmp_path / "target").open("wb", buffering=0) as target:
        target.write(b"head")
        copy_range(source, target.fileno(), start=3, end=97, digest=digest)
    copied = (tmp_path / "target").read_bytes()
    assert copied == b"head" + CONTENT[3:97]
    assert digest.hexdigest() == hashlib.sha256(copied).hexdigest()
