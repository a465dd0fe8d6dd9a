"""The first rows in the start of a chunk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.previews import MAX_CELL_CHARS, MAX_ROW_CELLS
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.domain.records import UploadRecord
from uploader.reading.sample import ChunkStart, first_rows

HEADER = b"id,name\n"


def upload_of(**changes: object) -> UploadRecord:
    upload, _ = upload_records(at=SettableClock().now)
    return replace(upload, **{"header_bytes": len(HEADER), **changes})  # type: ignore[arg-type]  # fields of it


def rows_in(body: bytes, *, is_whole: bool = True, limit: int = 20, **changes: object) -> list[list[str]]:
    start = ChunkStart(content=HEADER + body, is_whole=is_whole)
    return first_rows(upload_of(**changes), start, limit=limit)


def test_quoted_delimiters_line_ends_and_quotes_are_part_of_a_cell() -> None:
    body = b'007,"a,b"\r\n"8","line 1\r\nline 2"\r\n9,"say ""hi"""\r\n'
    assert rows_in(body) == [["007", "a,b"], ["8", "line 1\r\nline 2"], ["9", 'say "hi"']]


@pytest.mark.parametrize("line_end", ["", "\n", "\r", "\r\n"])
def test_last_row_of_a_whole_chunk_needs_no_line_end(line_end: str) -> None:
    assert rows_in(f"1,a\n2,b{line_end}".encode()) == [["1", "a"], ["2", "b"]]


def test_row_that_the_end_of_the_sample_cuts_off_is_left_out() -> None:
    assert rows_in(b"1,a\n2,b", is_whole=False) == [["1", "a"]]


def test_only_row_is_shown_as_far_as_it_was_read() -> None:
    assert rows_in(b'1,"' + b"x" * 100_000, is_whole=False) == [["1", "x" * MAX_CELL_CHARS]]


def test_blank_lines_are_no_rows() -> None:
    assert rows_in(b"\n1,a\n\n2,b\n\n") == [["1", "a"], ["2", "b"]]
    assert rows_in(b"\n\n") == []


def test_no_more_rows_than_asked_for() -> None:
    assert rows_in(b"1,a\n2,b\n3,c", limit=2) == [["1", "a"], ["2", "b"]]


def test_cells_are_cut_between_characters() -> None:
    assert rows_in(b"1," + "€".encode() * 300 + b"\n") == [["1", "€" * MAX_CELL_CHARS]]


@pytest.mark.parametrize(
    ("encoding", "text"), [("iso8859-1", "é"), ("unknown-8bit", "é"), ("shift_jis", "表"), ("utf-8", "表")]
)
def test_cells_are_decoded_as_the_chunk_is_encoded(encoding: str, text: str) -> None:
    body = f"1|{text}\n".encode("latin-1" if encoding == "unknown-8bit" else encoding)
    assert rows_in(body, encoding=encoding, delimiter="|") == [["1", text]]


def test_delimiter_may_be_the_second_byte_of_a_character() -> None:
    assert "ポ".encode("shift_jis")[1:] == b"|"
    assert rows_in("1|ポ\n".encode("shift_jis"), encoding="shift_jis", delimiter="|") == [["1", "ポ"]]


def test_rows_may_be_ragged() -> None:
    assert rows_in(b"1\n2,b,c\n") == [["1"], ["2", "b", "c"]]


def test_row_is_cut_after_many_cells() -> None:
    assert rows_in(b"," * 5_000 + b"\n") == [[""] * MAX_ROW_CELLS]
