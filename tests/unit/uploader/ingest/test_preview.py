"""A preview says what an upload of the whole file would say of its first bytes."""

from __future__ import annotations

import codecs
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.previews import MAX_PREVIEW_BYTES, Preview
from csvscan import Strictness
from csvscan.signatures import PROBE_BYTES
from tests.support.zstd import zstd
from uploader.errors import InvalidFieldError
from uploader.ingest.form_fields import ReadingOptions
from uploader.ingest.preview import preview_file

ROW = b'%d,"a ""quoted"" name",x\r\n'


def preview(
    data: bytes,
    *,
    is_whole: bool = True,
    strict: Strictness = Strictness.STRICT,
    delimiter: bytes | None = None,
    encoding: str | None = None,
) -> Preview:
    options = ReadingOptions(delimiter=delimiter, encoding=encoding, strict=strict)
    return preview_file(data, options, is_whole=is_whole)


def codes(found: Preview) -> list[tuple[str, int]]:
    return [(fault.code, fault.row) for fault in found.faults]


def large_file(*, rows: int = 60_000) -> bytes:
    return b"id,name,note\r\n" + b"".join(ROW % number for number in range(rows))


# What is in the file


def test_small_file_is_shown_as_a_whole() -> None:
    found = preview(b'\xef\xbb\xbfid;name\n1;"a\nb"\n2;c')
    assert found.dialect is not None
    assert found.dialect.model_dump() == {
        "delimiter": ";",
        "encoding": "utf-8",
        "line_ending": "LF",
        "bom": True,
        "quoted": True,
    }
    assert (found.header, found.rows) == (["id", "name"], [["1", "a\nb"], ["2", "c"]])
    assert (found.row_count, found.complete, found.faults, found.fault_counts) == (2, True, [], {})
    assert found.deviations is None


def test_first_rows_of_a_long_file_and_all_its_rows_so_far() -> None:
    data = large_file()[:MAX_PREVIEW_BYTES]
    found = preview(data, is_whole=False)
    assert len(found.rows) == 20
    assert found.rows[19] == ["19", 'a "quoted" name', "x"]
    assert found.row_count == data.count(b"\r\n") - 1
    assert (found.complete, found.faults) == (False, [])


@pytest.mark.parametrize("more", range(-40, 1))
def test_cut_in_a_record_is_no_fault_wherever_it_is(more: int) -> None:
    data = b"id,name,note\r\n" + b'1,"\xc3\xa9",x\r\n' * 3 + b'2,"\xc3\xa9\r\n"",",\r\n'
    found = preview(data[: len(data) + more], is_whole=False)
    assert found.faults == []
    assert found.dialect is not None
    assert found.dialect.line_ending == "CRLF"
    assert preview(data).row_count == 4


PROBED = b"id,name\n1," + b"x" * PROBE_BYTES + b"\n"
"""A beginning that is CSV, whatever comes after the bytes that tell the format."""
CONTENTS = st.text(alphabet='a,"\r\né\0', max_size=60)


@given(size=st.one_of(st.integers(0, 60), st.integers(0, 60).map(lambda more: len(PROBED) + more)), content=CONTENTS)
def test_first_bytes_never_have_a_fault_that_the_whole_file_does_not_have(size: int, content: str) -> None:
    data = PROBED + content.encode()
    found = preview(data[:size], is_whole=False, delimiter=b",")
    whole = preview(data, delimiter=b",")
    assert "not_csv" not in found.fault_counts
    assert found.header in ([], whole.header)
    assert all(fault in whole.faults for fault in found.faults)
    assert whole.rows[: len(found.rows)] == found.rows


def test_end_of_the_whole_file_is_checked() -> None:
    assert codes(preview(b'id,name\n1,"a')) == [("unterminated_quote", 1)]
    assert codes(preview(b"id,name\n1")) == [("ragged_row", 1)]
    assert codes(preview(b"")) == [("empty_file", 0)]
    assert codes(preview(b"id\n\xe4", encoding="utf-8")) == [("invalid_encoding", 1)]


def test_header_that_does_not_end_in_the_first_bytes_is_unknown() -> None:
    found = preview(b'"id' * 1000, is_whole=False)
    assert (found.dialect, found.header, found.rows, found.faults) == (None, [], [], [])


def test_delimiter_is_that_of_the_upload_although_the_last_row_is_cut() -> None:
    found = preview(b"a;b,c\n1;2,3\n4;5,6\n7,", is_whole=False)
    assert found.dialect is not None
    assert found.dialect.delimiter == ";"


# What is wrong with it


def test_faults_are_described_with_what_to_do() -> None:
    found = preview(b"id,name\n" + b"1\n" * 30 + b"2,\0\n")
    assert len(found.faults) == 20
    assert found.fault_counts == {"ragged_row": 30, "nul_byte": 1}
    first = found.faults[0]
    assert (first.row, first.byte) == (1, 8)
    assert "strict=false" in first.reason


def test_strictness_is_that_of_the_upload() -> None:
    data = b"id,name\n1,a,,\n2\n\n\n"
    assert codes(preview(data)) == [("ragged_row", 1), ("ragged_row", 2)]
    lenient = preview(data, strict=Strictness.LENIENT)
    assert codes(lenient) == [("ragged_row", 2)]
    assert lenient.deviations is not None
    assert lenient.deviations.model_dump() == {"surplus_empty_cells": 1, "blank_last_lines": 2}
    assert preview(data, strict=Strictness.OFF).faults == []


def test_other_formats_and_headers_that_are_too_long_are_refused() -> None:
    assert codes(preview(b"PK\x03\x04" + bytes(100), is_whole=False)) == [("not_csv", 0)]
    header = b",".join(b"column_%05d" % number for number in range(6_000))
    found = preview(header + b"\n1\n")
    assert (codes(found)[-1], found.header) == (("header_too_long", 0), [])


def test_encoding_that_cannot_be_checked_is_an_invalid_field() -> None:
    with pytest.raises(InvalidFieldError):
        preview(b"id\n", encoding="utf-32")


# Encodings and compression


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        ("id,name\n1,é\n".encode("utf-16-le"), None, "utf-16-le"),
        ("id,name\n1,é\n".encode("cp1252"), None, "unknown-8bit"),
        ("id,name\n1,é\n".encode("cp1252"), "cp1252", "cp1252"),
        ("id,name\n1,表\n".encode("cp932"), "cp932", "cp932"),
    ],
)
def test_text_is_shown_in_its_encoding(data: bytes, encoding: str | None, expected: str) -> None:
    bom = codecs.BOM_UTF16_LE if expected == "utf-16-le" else b""
    found = preview(bom + data, encoding=encoding)
    assert found.dialect is not None
    assert found.dialect.encoding == expected
    assert found.rows[0][1] in {"é", "表"}
    assert found.faults == []


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_compressed_file_is_unpacked_to_one_mib(compress: object) -> None:
    assert callable(compress)
    content = large_file()
    assert len(content) > MAX_PREVIEW_BYTES
    found = preview(compress(content))
    plain = preview(content[:MAX_PREVIEW_BYTES], is_whole=False)
    assert found.compression in {"gzip", "zstd"}
    assert found.model_copy(update={"compression": None}) == plain
    small = preview(compress(b"id\n1"))
    assert (small.complete, small.rows, small.faults) == (True, [["1"]], [])


def test_bomb_is_unpacked_to_one_mib_and_no_further() -> None:
    bomb = gzip.compress(b"id\n" + b"0\n" * 20_000_000)
    found = preview(bomb[:MAX_PREVIEW_BYTES])
    assert (found.row_count, found.complete) == ((MAX_PREVIEW_BYTES - 3) // 2, False)


@pytest.mark.parametrize("crumb", [gzip.compress(b""), zstd.compress(b"")], ids=["gzip", "zstd"])
def test_crumbs_of_compressed_data_are_a_fault(crumb: bytes) -> None:
    assert codes(preview((crumb * 60_000)[:MAX_PREVIEW_BYTES], is_whole=False)) == [("invalid_compression", 0)]


def test_cut_compressed_file_is_no_fault_unless_it_is_the_whole_file() -> None:
    packed = gzip.compress(large_file(rows=500))
    cut = packed[: len(packed) - 12]
    assert preview(cut, is_whole=False).faults == []
    assert codes(preview(cut))[-1][0] == "invalid_compression"
    damaged = packed[:200] + b"\xff" * 50 + packed[250:]
    assert codes(preview(damaged, is_whole=False))[-1][0] == "invalid_compression"


# Bounds


def test_cells_and_rows_are_bounded() -> None:
    found = preview(b"id,name\n1," + "é".encode() * 100_000 + b"\n" + b"," * 500_000 + b"\n")
    assert found.rows[0] == ["1", "é" * 200]
    assert len(found.rows[1]) == 1_000
