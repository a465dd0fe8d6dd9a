"""Whole rows at the start of a buffer."""

from __future__ import annotations

import pytest

from csvscan import BlockScanner, CsvFormatError, Dialect, WholeRows, scan_rows


def scanner(*, rows: int = 0, byte_offset: int = 0) -> BlockScanner:
    return BlockScanner(dialect=Dialect(), expected_fields=2, encoding="utf-8", rows=rows, byte_offset=byte_offset)


@pytest.mark.parametrize(
    ("buffer", "found"),
    [
        (b"1,2\n3,4\n5", WholeRows(8, 2, has_ragged_row=False, is_regular=True)),
        (b'1,"2\n"\n3,"4\n5', WholeRows(7, 1, has_ragged_row=False, is_regular=True)),
        (b"1\n3,4\n", WholeRows(6, 2, has_ragged_row=True, is_regular=True)),
        (b"1,2\n3\n4,5,6", WholeRows(6, 2, has_ragged_row=True, is_regular=True)),
        (b"1,2\n\n3,4\n", WholeRows(9, 2, has_ragged_row=False, is_regular=False)),
        (b"1,2\r3,4\r5", WholeRows(8, 2, has_ragged_row=False, is_regular=False)),
        (b'1,5" pipe\n', WholeRows(10, 1, has_ragged_row=False, is_regular=False)),
        (b"1,2", None),
        (b"1,2\r", None),
    ],
)
def test_rows_up_to_the_last_row_end_are_described(buffer: bytes, found: WholeRows | None) -> None:
    assert scanner().scan(buffer) == found


@pytest.mark.parametrize(
    ("buffer", "found"),
    [
        (b"1,2", WholeRows(3, 1, has_ragged_row=False, is_regular=True)),
        (b"1,2\n3", WholeRows(5, 2, has_ragged_row=True, is_regular=True)),
        (b"1,2\n\n", WholeRows(5, 1, has_ragged_row=False, is_regular=False)),
    ],
)
def test_last_row_of_the_content_needs_no_line_end(buffer: bytes, found: WholeRows) -> None:
    assert scanner().scan(buffer, is_last=True) == found


def test_rows_and_bytes_are_counted_over_the_buffers() -> None:
    blocks = scanner(rows=10, byte_offset=100)
    blocks.scan(b"1,2\n3")
    assert (blocks.rows, blocks.byte_offset) == (11, 104)
    blocks.scan(b"3,4\n")
    assert (blocks.rows, blocks.byte_offset) == (12, 108)


@pytest.mark.parametrize(
    ("buffer", "code", "row", "byte"),
    [
        (b"1,2\n3,\0\n", "nul_byte", 12, 106),
        (b"1,2\n3,\xff\n", "invalid_encoding", 12, 106),
        (b"1,\xff\n3,\0\n", "invalid_encoding", 11, 102),
        (b'1,2\n3,"4\n', "unterminated_quote", 12, 106),
    ],
)
def test_violation_is_placed_in_the_whole_content(buffer: bytes, code: str, row: int, byte: int) -> None:
    with pytest.raises(CsvFormatError) as raised:
        scanner(rows=10, byte_offset=100).scan(buffer, is_last=True)
    assert (raised.value.code, raised.value.row, raised.value.byte) == (code, row, byte)


@pytest.mark.parametrize(
    ("block", "ends"),
    [(b"", []), (b"a", []), (b"a\nb", [2]), (b'"a\n"\r\nb\r', [6]), (b"\na\n", [3])],
)
def test_row_without_a_certain_end_does_not_count(block: bytes, ends: list[int]) -> None:
    assert scan_rows(block, Dialect()).row_ends().tolist() == ends
