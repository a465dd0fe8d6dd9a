"""Record ends and fields are those of Python's csv for any text, dialect, line end and block size."""

from __future__ import annotations

import csv
import io
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvscan import CsvFormatError, Dialect, Scanner, split_record
from tests.property.scan_reference import (
    blocks,
    cut_points,
    every_byte,
    is_unterminated,
    rows_of_python,
    scan_in_blocks,
    texts,
)

DIALECTS = st.builds(Dialect, st.sampled_from([b",", b";", b"\t", b"|"]), st.sampled_from([b'"', b"'"]))
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def scanner(dialect: Dialect | None = None) -> Scanner:
    return Scanner(dialect=dialect or Dialect(), expected_fields=None)


@given(st.data(), DIALECTS)
def test_any_text_in_any_cuts_has_the_rows_of_python(data: st.DataObject, dialect: Dialect) -> None:
    text = data.draw(texts(dialect.delimiter.decode(), dialect.quote.decode()))
    content = text.encode("latin-1")
    found = scan_in_blocks(scanner(dialect), blocks(content, data.draw(cut_points(len(content)))))
    if is_unterminated(text, dialect):
        assert found.violation is not None
        assert found.violation[0] == "unterminated_quote"
        return
    ends, rows = rows_of_python(text, dialect)
    assert found.violation is None
    assert found.ends == ends
    records = blocks(content, ends)[: len(ends)]
    assert [[part.decode("latin-1") for part in split_record(record, dialect)] for record in records] == rows


@given(texts())
def test_one_byte_per_block_gives_the_same_as_one_block(text: str) -> None:
    content = text.encode()
    assert scan_in_blocks(scanner(), blocks(content, every_byte(content))) == scan_in_blocks(scanner(), [content])


# U+FEFF is left out: at the start of a record split_record takes it for the BOM of the content.
FIELDS = st.text(st.characters(exclude_characters="\0\ufeff", codec="utf-8"))


@given(st.data(), st.lists(st.lists(FIELDS, min_size=2, max_size=4), max_size=30), DIALECTS, LINE_ENDS)
def test_rows_that_python_writes_are_found_again(
    data: st.DataObject, rows: list[list[str]], dialect: Dialect, line_end: str
) -> None:
    # Python 3.11 leaves a CR unquoted where the line end is a bare LF, so minimal quoting is safe with CRLF alone.
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL if line_end == "\r\n" else csv.QUOTE_ALL
    file = io.StringIO(newline="")
    delimiter, quote = dialect.delimiter.decode(), dialect.quote.decode()
    csv.writer(file, delimiter=delimiter, quotechar=quote, lineterminator=line_end, quoting=quoting).writerows(rows)
    content = file.getvalue().encode()
    found = scan_in_blocks(scanner(dialect), blocks(content, data.draw(cut_points(len(content)))))
    records = blocks(content, found.ends)
    assert records.pop() == b""
    assert [[part.decode() for part in split_record(record, dialect)] for record in records] == rows


@given(st.data(), texts(), st.integers(1, 300))
def test_joined_chunks_are_the_source_and_its_rows(data: st.DataObject, text: str, chunk_bytes: int) -> None:
    content = text.encode("latin-1")
    scan = scanner()
    cuts, base, wanted = [], 0, chunk_bytes
    for block in blocks(content, data.draw(cut_points(len(content)))):
        found = scan.feed(block)
        while (end := found.first_end_at_or_after(wanted - base)) is not None:
            cuts.append(base + end)
            wanted = base + end + chunk_bytes
        base += len(block)
    if is_unterminated(text, Dialect()):
        with pytest.raises(CsvFormatError) as raised:
            scan.finish()
        assert raised.value.code == "unterminated_quote"
        return
    scan.finish()
    chunks = blocks(content, cuts)
    assert b"".join(chunks) == content
    assert all(len(chunk) >= chunk_bytes for chunk in chunks[:-1])
    rows = [row for chunk in chunks for row in rows_of_python(chunk.decode("latin-1"), Dialect())[1]]
    assert rows == rows_of_python(text, Dialect())[1]


@given(st.data(), texts())
def test_every_method_of_a_scan_agrees_with_its_row_ends(data: st.DataObject, text: str) -> None:
    scan_of = scanner()
    content = text.encode()
    for block in blocks(content, data.draw(cut_points(len(content)))):
        scan = scan_of.feed(block)
        ends = [int(end) for end in scan.row_ends()]
        assert scan.rows == len(ends)
        assert scan.last_end == (ends[-1] if ends else None)
        assert [scan.end_of_row(number + 1) for number in range(len(ends))] == ends
        offset = data.draw(st.integers(-1, len(block) + 2))
        assert scan.rows_before(offset) == sum(end <= offset for end in ends)
        assert scan.first_end_at_or_after(offset) == next((end for end in ends if end >= offset), None)


def test_quoted_crlf_across_a_block_border_is_kept_at_every_offset() -> None:
    """The case of arrow#51368."""
    content = (
        b'"some text, padded to pass a word of sixty-four bits.........\r\nand on",b\r\n"\r\n","\r\n\r\n"\r\nplain,\r\n'
    )
    ends, _ = rows_of_python(content.decode(), Dialect())
    for first in range(len(content) + 1):
        for second in range(first, len(content) + 1):
            assert scan_in_blocks(scanner(), blocks(content, [first, second])).ends == ends


def test_quoted_crlf_across_the_border_of_large_blocks_is_kept() -> None:
    block_bytes = 4096
    for offset in range(-6, 7):
        text = "x,y\r\n" + "a" * (block_bytes - 8 + offset) + ',"\r\n"\r\n1,"2\r\n"\r\n'
        content = text.encode()
        found = scan_in_blocks(scanner(), blocks(content, list(range(block_bytes, len(content), block_bytes))))
        assert found.ends == rows_of_python(text, Dialect())[0]
