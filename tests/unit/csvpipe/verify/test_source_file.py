"""A file at hand compared with an upload, whatever it is compressed with."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import SourceNotFoundError
from csvpipe.verify.source_file import check_source_file
from tests.support.s3.fake_bucket import lay_out
from tests.support.zstd import zstd

HEADER, ROWS = "a,b\n", [["1,é\n", "2,x\n"], ["3,y\n"]]
CONTENT = HEADER + "".join(row for rows in ROWS for row in rows)


def check(tmp_path: Path, data: bytes, *, utf16: bool = False) -> list[str]:
    path = tmp_path / "source"
    path.write_bytes(data)
    manifest, _ = lay_out(HEADER, ROWS, utf16=utf16)
    return [each.what for each in check_source_file(path, manifest)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_same_content_is_found_in_any_packing(tmp_path: Path, pack: Callable[[bytes], bytes], encoding: str) -> None:
    assert check(tmp_path, pack(CONTENT.encode(encoding)), utf16=encoding == "utf-16") == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_other_content_is_a_difference(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = CONTENT.encode()
    assert check(tmp_path, pack(content[:-1]))[0].startswith("its content has")
    assert check(tmp_path, pack(content.replace(b"3", b"4")))[0].startswith("the SHA-256 of its content is")


def test_truncated_file_is_a_difference(tmp_path: Path) -> None:
    assert "is truncated: the file ends at byte" in check(tmp_path, gzip.compress(CONTENT.encode())[:-1])[0]


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="cannot be read"):
        list(check_source_file(tmp_path, lay_out(HEADER, ROWS)[0]))
