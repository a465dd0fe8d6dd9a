from __future__ import annotations

import csv
import io
import random

import pytest

from csvscan import CsvFormatError, Dialect, Scanner, Strictness, UnsupportedEncodingError

BLOCK_BYTES = 1 << 20


def scan(content: bytes, block_bytes: int = BLOCK_BYTES, *, expected_fields: int | None = None) -> int:
    """Return the number of rows."""
    scanner = Scanner(dialect=Dialect(), expected_fields=expected_fields)
    for start in range(0, len(content), block_bytes):
        scanner.feed(content[start : start + block_bytes])
    scanner.finish()
    return scanner.rows


def rows_of_python(content: bytes) -> int:
    return sum(1 for row in csv.reader(io.StringIO(content.decode(), newline="")) if row)


def records(seed: int, kinds: list[bytes], size_bytes: int) -> bytes:
    draw = random.Random(seed)
    parts: list[bytes] = []
    while sum(map(len, parts)) < size_bytes:
        parts += draw.choices(kinds, k=1000)
    return b"".join(parts)


@pytest.mark.parametrize(
    "kinds",
    [
        [b"1,2\n", b"1,a longer field than the others have\n"],
        [b'1,"a, ""b""\nc"\r\n', b"1,2\r", b"\r\n", b'"",""\n'],
        [b'5",pipe\n', b'"6"" bolt",x\n', b'"a"b"c,d\n', b'"7" wide,y\r\n', b"8,9\n"],
        [b'"",""\n', b'"""""",""\n', b",\n"],
        [b",\n"],
        ["Größe,東京\n".encode(), "\U0001f600,x\r\n".encode()],
    ],
    ids=["plain", "quoted", "irregular", "dense_quotes", "dense_rows", "utf_8"],
)
@pytest.mark.parametrize("block_bytes", [BLOCK_BYTES, 99_991])
def test_large_content_has_the_rows_of_python(kinds: list[bytes], block_bytes: int) -> None:
    content = records(1, kinds, 300_000)
    assert scan(content, block_bytes, expected_fields=2) == rows_of_python(content)


def test_record_of_many_blocks_is_one_row() -> None:
    content = b'1,"' + b'all\r\n, in ""quotes""\n' * 400_000 + b'"\r\n2,x\n'
    assert len(content) > 6 * BLOCK_BYTES
    assert scan(content, expected_fields=2) == 2


def test_field_of_many_blocks_without_quotes_is_one_row() -> None:
    assert scan(b"1," + b"x" * 3 * BLOCK_BYTES + b"\n2,y", expected_fields=2) == 2


@pytest.mark.parametrize("row", [0, 1, 7, 40_000, 99_999])
@pytest.mark.parametrize("wrong", [b"1\n", b"1,2,3\n", b'"1,2"\n', b"1,2,\n"])
def test_ragged_row_is_reported_wherever_it_is(row: int, wrong: bytes) -> None:
    rows = [b"1,2\n"] * 100_000
    rows[row] = wrong
    with pytest.raises(CsvFormatError) as raised:
        scan(b"".join(rows), 77_777, expected_fields=2)
    assert (raised.value.code, raised.value.row, raised.value.byte) == ("ragged_row", row + 1, 4 * row)


@pytest.mark.parametrize("cut", range(14))
def test_opening_quote_is_reported_if_a_doubled_one_is_split_between_blocks(cut: int) -> None:
    content = b'"x",y\n"a""b\n'
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    scanner.feed(content[:cut])
    scanner.feed(content[cut:])
    with pytest.raises(CsvFormatError) as raised:
        scanner.finish()
    assert (raised.value.code, raised.value.row, raised.value.byte) == ("unterminated_quote", 2, 6)


def test_first_of_many_ragged_rows_is_reported() -> None:
    with pytest.raises(CsvFormatError, match=r"^row 3, byte 8: expected 2 fields, found 1 field$"):
        scan(b"1,2\n" * 2 + b"1\n1,2,3\n" * 1000, expected_fields=2)


def test_ragged_rows_pass_when_not_strict() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=2, strictness=Strictness.OFF)
    assert scanner.feed(b"1\n1,2\n1,2,3\n").rows == 3


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_accepted(kind: type[bytes | bytearray | memoryview]) -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=2)
    assert scanner.feed(kind(b'1,"2\n"\n3,4\r\n')).row_ends().tolist() == [7, 12]


def test_scan_stays_valid_after_the_next_block() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    first = scanner.feed(b"a\nbb\n")
    scanner.feed(b"cccccc\n")
    assert first.row_ends().tolist() == [2, 5]


def test_lone_cr_at_the_end_of_a_block_ends_a_row_at_offset_zero_of_the_next() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    assert scanner.feed(b"a\r").rows == 0
    scan_of_next = scanner.feed(b"b")
    assert (scan_of_next.row_ends().tolist(), scan_of_next.last_end, scan_of_next.end_of_row(1)) == ([0], 0, 0)


def test_crlf_split_between_blocks_ends_a_row_after_the_lf() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    assert scanner.feed(b"a\r").rows == 0
    assert scanner.feed(b"\nb").row_ends().tolist() == [1]
    assert scanner.finish().row_ends().tolist() == [0]


def test_row_that_does_not_end_in_the_block_raises() -> None:
    found = Scanner(dialect=Dialect(), expected_fields=None).feed(b"a\nb\nc")
    assert found.end_of_row(2) == 4
    for number in (0, 3):
        with pytest.raises(IndexError, match=r"2 row ends"):
            found.end_of_row(number)


def test_encoding_is_detected_if_none_was_declared() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    scanner.feed("é\n".encode()[:1])
    assert scanner.encoding == "utf-8"
    scanner.feed(b"\n")
    assert scanner.encoding == "unknown-8bit"


@pytest.mark.parametrize("name", ["utf-16", "iso2022_jp", "cp037", "utf-7", "base64", "no such thing", "undefined"])
def test_encoding_that_cannot_be_checked_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedEncodingError):
        Scanner(dialect=Dialect(), expected_fields=None, encoding=name)


@pytest.mark.parametrize("fields", [-1, 0, 1 << 30])
def test_impossible_number_of_fields_is_refused(fields: int) -> None:
    with pytest.raises(ValueError, match="fields"):
        Scanner(dialect=Dialect(), expected_fields=fields)


@pytest.mark.parametrize("delimiter", [b"", b",,", b"\n", b"\r", b"\0", b'"', b"\xe9"])
def test_invalid_delimiter_is_refused(delimiter: bytes) -> None:
    with pytest.raises(ValueError, match="delimiter"):
        Dialect(delimiter)
