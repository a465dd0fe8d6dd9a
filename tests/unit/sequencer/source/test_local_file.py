"""Local files, plain and compressed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from contracts.errors import SourceChangedError, SourceNotFoundError
from sequencer.errors import BadRowError
from sequencer.source.local_file import PIECE_BYTES, LocalFile
from sequencer.source.open_sources import open_sources
from tests.support.s3.no_s3 import NO_S3
from tests.support.zstd import zstd

CONTENT = b"".join(b"%d,name of %d\n" % (row, row) for row in range(20_000))


def read(path: Path, start: int = 0, *, piece_bytes: int = PIECE_BYTES) -> bytes:
    file = LocalFile(str(path), piece_bytes=piece_bytes)
    with file.open(start) as pieces:
        content = b"".join(pieces)
    assert file.stored_bytes_read == file.size_bytes
    return content


COMPRESSED = {
    "plain": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "gzip, two members": gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:]),
    "gzip, padded with NULs": gzip.compress(CONTENT) + bytes(512),
    "zstd": zstd.compress(CONTENT, options={zstd.CompressionParameter.checksum_flag: 1}),
    "zstd, after a skippable frame": b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd.compress(CONTENT),
    "zstd, as pzstd writes it": b"".join(
        b"\x5f\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd.compress(part) for part in (CONTENT[:100], CONTENT[100:])
    ),
    "zstd, two frames": zstd.compress(CONTENT[:100]) + zstd.compress(CONTENT[100:]),
}


@pytest.mark.parametrize("piece_bytes", [7, 4096])
@pytest.mark.parametrize("start", [0, 1, 100, len(CONTENT) - 1, len(CONTENT)])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_content_is_read_from_any_byte_on(tmp_path: Path, kind: str, start: int, piece_bytes: int) -> None:
    path = tmp_path / "source"
    path.write_bytes(COMPRESSED[kind])
    assert read(path, start, piece_bytes=piece_bytes) == CONTENT[start:]


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_truncated_file_is_damaged(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(COMPRESSED[kind][:-20])
    with pytest.raises(BadRowError, match=r"source: the (gzip|zstd) data is truncated"):
        read(path)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compressed_file_with_a_wrong_byte_is_damaged(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source"
    damaged = bytearray(COMPRESSED[kind])
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(BadRowError, match="damaged"):
        read(path)


def test_empty_file_has_no_content(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    assert read(tmp_path / "source") == b""


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    (file,) = open_sources([str(path)], s3=NO_S3)
    os.utime(path, (0, 0))
    with file.open() as pieces, pytest.raises(SourceChangedError, match="was changed"):
        list(pieces)


def test_files_of_a_directory_are_sorted_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"x\n")
    files = open_sources([str(tmp_path)], s3=NO_S3)
    assert [Path(file.name).name for file in files] == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.parametrize("spec", ["missing.csv", "empty", "s3:///key"])
def test_missing_source_is_reported(tmp_path: Path, spec: str) -> None:
    (tmp_path / "empty").mkdir()
    given = spec if spec.startswith("s3") else str(tmp_path / spec)
    with pytest.raises(SourceNotFoundError, match=given):
        open_sources([given], s3=NO_S3)
