"""Local files, plain and packed: the content from any byte on, and what is damaged is said."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
import zstandard

from contracts.errors import SourceChangedError
from sequencer.errors import BadRowError, SourceNotFoundError
from sequencer.source.files import open_sources

CONTENT = b"".join(b"%d,name of %d\n" % (row, row) for row in range(20_000))


def no_s3() -> None:
    raise AssertionError("no S3 is needed")


def read(path: Path, start: int = 0) -> bytes:
    (file,) = open_sources([str(path)], connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called
    with file.open(start) as pieces:
        content = b"".join(pieces)
    assert file.stored_bytes_read == file.size_bytes
    return content


PACKINGS = {
    "plain": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "gzip, two members": gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:]),
    "gzip, filled up with NULs": gzip.compress(CONTENT) + bytes(512),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT),
    "zstd, behind a frame that is skipped": b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstandard.compress(CONTENT),
    "zstd, as pzstd writes it": b"".join(
        b"\x5f\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstandard.compress(part) for part in (CONTENT[:100], CONTENT[100:])
    ),
    "zstd, two frames": zstandard.ZstdCompressor().compress(CONTENT[:100]) + zstandard.compress(CONTENT[100:]),
}


@pytest.mark.parametrize("piece_bytes", [7, 4096])
@pytest.mark.parametrize("start", [0, 1, 100, len(CONTENT) - 1, len(CONTENT)])
@pytest.mark.parametrize("packing", PACKINGS)
def test_content_from_any_byte_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str, start: int, piece_bytes: int
) -> None:
    monkeypatch.setattr("sequencer.source.local._PIECE_BYTES", piece_bytes)
    path = tmp_path / "source"
    path.write_bytes(PACKINGS[packing])
    assert read(path, start) == CONTENT[start:]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_file_that_ends_in_the_middle_is_damaged(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(PACKINGS[packing][:-20])
    with pytest.raises(BadRowError, match=r"source: what is packed is damaged.*ends in the middle"):
        read(path)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_file_with_a_wrong_byte_is_damaged(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "source"
    damaged = bytearray(PACKINGS[packing])
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(BadRowError, match="damaged"):
        read(path)


def test_empty_file_has_no_content(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    assert read(tmp_path / "source") == b""


def test_file_that_grows_while_it_is_read_is_another(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    (file,) = open_sources([str(path)], connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called
    os.utime(path, (0, 0))
    with file.open() as pieces, pytest.raises(SourceChangedError, match="was changed"):
        list(pieces)


def test_directory_stands_for_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"x\n")
    files = open_sources([str(tmp_path)], connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called
    assert [Path(file.name).name for file in files] == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.parametrize("spec", ["missing.csv", "empty", "s3:///key"])
def test_what_is_not_there_is_said(tmp_path: Path, spec: str) -> None:
    (tmp_path / "empty").mkdir()
    given = spec if spec.startswith("s3") else str(tmp_path / spec)
    with pytest.raises(SourceNotFoundError, match=given):
        open_sources([given], connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called
