from __future__ import annotations

import pytest

from csvscan import CsvFormatError, Header, HeaderFinder, UnsupportedEncodingError, detect_delimiter
from csvscan.header import MAX_HEADER_BYTES
from csvscan.signatures import PROBE_BYTES


def refusal(content: bytes, *, block_bytes: int = 1 << 16, encoding: str | None = None) -> tuple[str, int, int]:
    finder = HeaderFinder(encoding=encoding)
    with pytest.raises(CsvFormatError) as raised:
        feed(finder, content, block_bytes)
    return raised.value.code, raised.value.row, raised.value.byte


def feed(finder: HeaderFinder, content: bytes, block_bytes: int) -> Header:
    """Feed until the header is found or the content ends."""
    parts = (content[start : start + block_bytes] for start in range(0, len(content), block_bytes))
    return next((found for part in parts if (found := finder.feed(part)) is not None), None) or finder.finish()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("block_bytes", [1 << 14, 1 << 16, 3 << 20])
def test_longest_header_has_one_mebibyte(line_end: bytes, block_bytes: int) -> None:
    longest = b"x" * (MAX_HEADER_BYTES - len(line_end)) + line_end
    content = longest + b"1,2\n"
    assert feed(HeaderFinder(), content, block_bytes).prefix == longest
    assert refusal(b"x" + content, block_bytes=block_bytes) == ("header_too_long", 0, 0)


def test_file_that_is_not_csv_is_refused_early() -> None:
    assert refusal(b"x" * 2 * MAX_HEADER_BYTES) == ("header_too_long", 0, 0)
    assert refusal(b"a,b\0" + b"x" * 2 * MAX_HEADER_BYTES) == ("nul_byte", 0, 3)


def test_first_violation_in_the_header_is_reported() -> None:
    assert refusal(b"\xff,\0\n", encoding="utf-8") == ("invalid_encoding", 0, 0)
    assert refusal(b"\0,\xff\n", encoding="utf-8") == ("nul_byte", 0, 0)


def test_header_that_ends_in_cr_waits_for_the_next_byte() -> None:
    names = b"a" * PROBE_BYTES + b",b"
    finder = HeaderFinder(delimiter=b",")
    assert finder.feed(names + b"\r") is None
    header = finder.feed(b"\n1,2")
    assert header is not None
    assert (header.prefix, finder.remainder) == (names + b"\r\n", b"1,2")


def test_quote_after_a_byte_that_is_not_the_delimiter_does_not_open_a_field() -> None:
    finder = HeaderFinder()
    assert finder.feed(b'a,b,5|"x\n1,2,3\n') is None
    assert finder.finish().fields == (b"a", b"b", b'5|"x')


def test_violation_in_the_body_has_its_offset_in_the_whole_content() -> None:
    header = feed(HeaderFinder(), b"\xef\xbb\xbf\na,b\r\n1,2", 1 << 16)
    assert header.has_bom
    with pytest.raises(CsvFormatError) as raised:
        header.scanner().feed(b"1,2\n3,4,5\n")
    assert (raised.value.row, raised.value.byte) == (2, 3 + 1 + 5 + 4)


def test_header_in_another_encoding_marks_the_whole_content() -> None:
    header = feed(HeaderFinder(), b"Gr\xf6\xdfe,b\n", 1 << 16)
    scanner = header.scanner()
    scanner.feed(b"plain,ascii\n")
    assert (header.encoding, scanner.encoding) == ("unknown-8bit", "unknown-8bit")


def test_encoding_is_refused_before_the_first_byte() -> None:
    with pytest.raises(UnsupportedEncodingError, match="cp037"):
        HeaderFinder(encoding="cp037")


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        (b"a,b\n", b","),
        (b"a;b\n", b";"),
        (b"a\tb\r\n", b"\t"),
        (b"a|b\r", b"|"),
        (b"a", b","),
        (b"", b","),
        (b"a,b;c", b","),
        (b"a;b;c,d", b";"),
        (b'"a,b,c";d\n', b";"),
        (b'\xef\xbb\xbf"a,b,c";d\n', b";"),
        (b'"a"",b,c,";d\n', b";"),
        (b'height 5",width;x,y\n', b","),
    ],
)
def test_delimiter_is_the_most_frequent_outside_of_quotes(header: bytes, delimiter: bytes) -> None:
    assert detect_delimiter(header) == delimiter
