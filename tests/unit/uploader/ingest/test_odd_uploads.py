"""Unusual uploads that are accepted, and others that are refused with a hint."""

from __future__ import annotations

import asyncio
import bz2
from pathlib import Path

import pytest

from csvpipe.verify.chunk_reading import ChunkReading
from tests.support.uploader.ingest import BOUNDARY, Received, form, receive, stream
from uploader.errors import InvalidCsvError, InvalidFieldError, MalformedMultipartError, UnsupportedMediaTypeError
from uploader.ingest.multipart import MultipartReader, PartBegin


def upload(tmp_path: Path, content: bytes, **fields: str) -> Received:
    body = form(
        [("dataset_name", b"d"), *((name, value.encode()) for name, value in fields.items()), ("file", content)]
    )
    return asyncio.run(receive(stream([body]), temp_dir=tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("chunk_type", ["rows", "count"])
def test_sep_line_is_not_data_and_is_preserved(tmp_path: Path, chunk_type: str, line: str, encoding: str) -> None:
    source = f"{line}\r\na;b,c\r\n1,0;2\r\n3,0;4\r\n".encode(encoding)
    received = upload(tmp_path, source, chunk_type=chunk_type, chunk_size="1" if chunk_type == "rows" else "2")
    result = received.result
    assert (result.delimiter, result.headers, result.row_count) == (";", ["a", "b,c"], 2)
    assert received.content == (source if encoding != "utf-16" else source.decode("utf-16").encode())
    prefix = received.content[: result.header_bytes]
    assert [
        file.startswith(prefix) and prefix.lstrip(b"\xef\xbb\xbf")[:5].lower() in (b"sep=;", b'"sep=')
        for file in received.files
    ] == [True, True]
    for file in received.files:
        reading = ChunkReading(header_bytes=result.header_bytes, delimiter=result.delimiter, encoding=result.encoding)
        reading.feed(file)
        reading.finish()
        assert (reading.rows, reading.header, reading.row_fault) == (1, prefix, None)


@pytest.mark.parametrize("encoding", ["cp932", "Shift-JIS", "gbk", "gb18030", "big5", "euc_kr", "cp949", "euc_jp"])
@pytest.mark.parametrize("delimiter", ["pipe", "^", ","])
def test_multibyte_text_is_cut_at_rows_and_preserved(tmp_path: Path, encoding: str, delimiter: str) -> None:
    sign = {"pipe": "|"}.get(delimiter, delimiter)
    word = {
        "cp932": "ソ表",
        "Shift-JIS": "ポソ",
        "gbk": "乗俓",
        "gb18030": "乗俓",
        "big5": "功許",
        "euc_jp": "表示",
    }.get(encoding, "힣가" if encoding == "cp949" else "가나")
    source = f'{word}{sign}b\n{word}{sign}"{sign}\n{word}"\n1{sign}{word}"\n'.encode(encoding)
    received = upload(tmp_path, source, chunk_type="rows", chunk_size="1", encoding=encoding, delimiter=delimiter)
    result = received.result
    assert (result.delimiter, result.headers, result.row_count) == (sign, [word, "b"], 2)
    assert received.content == source
    for file in received.files:
        reading = ChunkReading(header_bytes=result.header_bytes, delimiter=result.delimiter, encoding=result.encoding)
        reading.feed(file)
        reading.finish()
        assert (reading.rows, reading.row_fault) == (1, None)


@pytest.mark.parametrize("way", ["rows", "count"])
def test_invalid_multibyte_text_is_refused(tmp_path: Path, way: str) -> None:
    with pytest.raises(InvalidCsvError) as raised:
        upload(
            tmp_path, "a,b\n1,ソ\n2,".encode("cp932") + b"\x81\x0a", chunk_type=way, chunk_size="1", encoding="cp932"
        )
    assert (raised.value.extra["reason"], raised.value.extra["row"], raised.value.extra["byte"]) == (
        "invalid_encoding",
        2,
        11,
    )


@pytest.mark.parametrize(("given", "sign"), [(r"\x01", "\x01"), ("^A", "\x01"), ("tab", "\t"), ("~", "~"), ("|", "|")])
def test_delimiter_spellings_match_the_sequencer(tmp_path: Path, given: str, sign: str) -> None:
    received = upload(tmp_path, f"a{sign}b\n1{sign}2\n".encode(), delimiter=given)
    assert (received.result.delimiter, received.result.headers) == (sign, ["a", "b"])


@pytest.mark.parametrize("given", ["||", "~|~", "\u00a7"])
def test_invalid_delimiter_lists_the_valid_ones(tmp_path: Path, given: str) -> None:
    with pytest.raises(InvalidFieldError, match="one ASCII character"):
        upload(tmp_path, b"a,b\n", delimiter=given)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (bz2.compress(b"a,b\n1,2\n" * 100), "expected CSV text, found a bzip2 file (unpack it"),
        (b"%PDF-1.7\n", "found a PDF document"),
        ("a,b\n1,2\n".encode("utf-16-le"), "found UTF-16 (little-endian) without a byte order mark (save it as UTF-8"),
        ("a,b\n".encode("utf-32"), "found UTF-32"),
        (b'a,b\n1,"x\\"y", z"\n', "does not escape the quote in CSV"),
        (b"a;b\n1;2\n1,2\n", "read with the delimiter ';'"),
    ],
)
@pytest.mark.parametrize("way", ["rows", "count"])
def test_non_csv_content_is_identified(tmp_path: Path, way: str, content: bytes, text: str) -> None:
    with pytest.raises(InvalidCsvError) as raised:
        upload(tmp_path, content, chunk_type=way, chunk_size="1")
    assert text in raised.value.detail


def test_declared_utf_16_without_a_byte_order_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="byte order mark"):
        upload(tmp_path, b"a,b\n", encoding="utf-16")


@pytest.mark.parametrize(
    "kind", ["multipart/mixed; boundary=inner", "Multipart/Mixed", "multipart/related; x=y", "message/rfc822"]
)
def test_nested_multipart_is_refused(kind: str) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: {kind}\r\n\r\n'
    with pytest.raises(UnsupportedMediaTypeError, match="send one file per upload"):
        MultipartReader(boundary=BOUNDARY.encode()).feed(head.encode())


@pytest.mark.parametrize("kind", ["text/csv", "application/octet-stream", "application/vnd.ms-excel"])
def test_any_other_type_of_a_part_is_accepted(kind: str) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="ä"\r\nContent-Type: {kind}\r\n\r\nx'
    assert MultipartReader(boundary=BOUNDARY.encode()).feed(head.encode())[0] == PartBegin("file", "ä")


@pytest.mark.parametrize("where", ["all", "head", "end"])
@pytest.mark.parametrize("piece_bytes", [7, 10_000])
def test_form_with_lf_line_ends_gets_a_hint(where: str, piece_bytes: int) -> None:
    body = form([("dataset_name", b"d"), ("file", b"a,b\n1,2\n")])
    lf = body.replace(b"\r\n", b"\n")
    head = body.index(b"\r\n") + 2
    parts = {
        "all": lf,
        "head": body[:head] + lf[head - 1 :],
        "end": body[:-60] + body[-60:].replace(b"\r\n--", b"\n--"),
    }
    reader = MultipartReader(boundary=BOUNDARY.encode())

    def read() -> None:
        for begin in range(0, len(parts[where]), piece_bytes):
            reader.feed(parts[where][begin : begin + piece_bytes])
        reader.finish()

    with pytest.raises(MalformedMultipartError, match="CR" if piece_bytes == 7 else "CRLF"):
        read()
