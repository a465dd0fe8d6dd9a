"""Files that are not CSV are recognised by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from csvscan import CsvFormatError, HeaderFinder
from csvscan.signatures import find_signature
from tests.support.zstd import zstd

CSV = b"id,name\n1,Ada\n2,Bob\n" * 20


def zip_of(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else CSV)
    return target.getvalue()


def tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return target.getvalue()


def written(write: str) -> bytes:
    target = io.BytesIO()
    getattr(pl.DataFrame({"id": [1, 2], "name": ["Ada", "Bob"]}), write)(target)
    return target.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(CSV), "a gzip file"),
    "bzip2": (bz2.compress(CSV), "a bzip2 file"),
    "bzip2 of nothing": (bz2.compress(b""), "a bzip2 file"),
    "xz": (lzma.compress(CSV), "an xz file"),
    "zstd": (zstd.compress(CSV), "a Zstandard file"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7" + CSV, "an LZ4 file"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + CSV, "a 7-Zip archive"),
    "zip": (zip_of("a.csv"), "a ZIP archive"),
    "xlsx": (zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (xlsx)"),
    "ods": (zip_of("mimetype", "content.xml"), "an OpenDocument spreadsheet (ods)"),
    "tar": (tar(), "a tar archive"),
    "parquet": (written("write_parquet"), "a Parquet file"),
    "arrow": (written("write_ipc"), "an Arrow (Feather) file"),
    "avro": (written("write_avro"), "an Avro file"),
    "orc": (b"ORC\n\x0b\n\x03\0\0\0\x12\x04\x08\2P\0", "an ORC file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Microsoft Office document (xls)"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a JPEG image"),
    "gif": (b"GIF89a\1\0\1\0", "a GIF image"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>403, Forbidden</body></html>", "an HTML page"),
    "html in capitals": (b"<HTML>\n<BODY>a,b</BODY></HTML>\n", "an HTML page"),
    "xml": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "json lines": (b'{"id": 1, "name": "Ada"}\n{"id": 2, "name": "Bob"}\n', "JSON"),
    "json array": (b'[\n  {"id": 1},\n  {"id": 2}\n]\n', "JSON"),
    "json rows": (b'["id", "name"]\n[1, "Ada"]\n', "JSON"),
    "json behind a mark": (b'\xef\xbb\xbf{"id": 1}\n', "JSON"),
    "sql": (b"-- MySQL dump 10.13  Distrib 8.0\n--\nINSERT INTO t VALUES (1,'a');\n", "SQL"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "utf-16-le without mark": (CSV.decode().encode("utf-16-le"), "UTF-16 (little-endian) without"),
    "utf-16-be without mark": (CSV.decode().encode("utf-16-be"), "UTF-16 (big-endian) without"),
    "Chinese without mark": (
        "编号,姓名\n1,张三李四\n2,王五赵六\n".encode("utf-16-le"),
        "UTF-16 (little-endian) without",
    ),
    "utf-32-le without mark": (CSV.decode().encode("utf-32-le"), "UTF-32 (little-endian) without"),
    "utf-32-be without mark": (CSV.decode().encode("utf-32-be"), "UTF-32 (big-endian) without"),
    "utf-32-le": (CSV.decode().encode("utf-32"), "UTF-32 (little-endian)"),
    "utf-32-be": (b"\0\0\xfe\xff" + CSV.decode().encode("utf-32-be"), "UTF-32 (big-endian)"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
def test_file_is_refused_by_its_format_with_advice(name: str, block_bytes: int) -> None:
    content, found = FILES[name]
    finder = HeaderFinder(delimiter=b"," if block_bytes == 5 else None)

    def find() -> None:
        for begin in range(0, len(content), block_bytes):
            finder.feed(content[begin : begin + block_bytes])
        finder.finish()

    with pytest.raises(CsvFormatError) as raised:
        find()
    assert raised.value.code == "not_csv"
    assert raised.value.found.startswith(found)
    assert raised.value.hint


def test_sqlite_database_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (a)")
    signature = find_signature(path.read_bytes()[:1024])
    assert signature is not None
    assert signature.name == "an SQLite database"


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        b"ORC,id\n1,2\n",
        b"PAR1;x\n",
        b"RIFF,x\n1,2\n",
        b"BZhours,x\n",
        b"PKid,x\n",
        b"[id],[name]\n1,2\n",
        b"{id},{name}\n1,2\n",
        b'"{""a"": 1}",b\n',
        b"<id>,<name>\n",
        b"-- id,name\n",
        b"",
        b"\0",
        b"a\0b\0",
        b"a,b\n1,\0\n" + CSV,
        "größe,ü\n".encode("latin-1"),
        "表,ソ\n".encode("cp932"),
    ],
)
def test_content_that_may_be_csv_is_not_refused_by_its_start(content: bytes) -> None:
    assert find_signature(content[:1024]) is None


def test_backslash_before_a_quote_is_explained() -> None:
    finder = HeaderFinder()
    header = finder.feed(content := b'id,text\n1,"say \\"hi\\", again"\n') or finder.finish()
    with pytest.raises(CsvFormatError) as raised:
        header.scanner().feed(content[len(header.prefix) :])
    assert raised.value.code == "ragged_row"
    assert "doubled" in raised.value.hint


@pytest.mark.parametrize("cut", range(22))
def test_backslash_at_the_end_of_a_block_is_noticed(cut: int) -> None:
    finder = HeaderFinder(delimiter=b",")
    finder.feed(b"id,text\n")
    scanner = finder.finish().scanner()
    body = b'1,"one"\n2,"two\\"",x\n'
    scanner.feed(body[:cut])

    def scan() -> None:
        scanner.feed(body[cut:])
        scanner.finish()

    with pytest.raises(CsvFormatError) as raised:
        scan()
    assert "doubled" in raised.value.hint


def test_violation_without_a_backslash_has_no_such_hint() -> None:
    finder = HeaderFinder(delimiter=b",")
    finder.feed(b'id,text\n1,"C:\\dir"\n2,3,4\n')
    header = finder.finish()
    with pytest.raises(CsvFormatError) as raised:
        header.scanner().feed(finder.remainder)
    assert raised.value.hint == ""
