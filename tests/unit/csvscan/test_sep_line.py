"""The line ``sep=;`` of Excel."""

from __future__ import annotations

import pytest

from csvscan import CsvFormatError, Header, HeaderFinder
from csvscan.sep_line import find_sep_line


def header_of(content: bytes, *, delimiter: bytes | None = None) -> Header:
    finder = HeaderFinder(delimiter=delimiter)
    return finder.feed(content) or finder.finish()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        (b"sep=;", b";"),
        (b"sep=,", b","),
        (b"SEP=;", b";"),
        (b"Sep=|", b"|"),
        (b'"sep=;"', b";"),
        (b'"sep=,"', b","),
        (b"sep=\t", b"\t"),
        (rb"sep=\t", b"\t"),
        (b"sep=^", b"^"),
        (b"sep=:", b":"),
        (b"sep=\x01", b"\x01"),
        (b'"sep=;";;', b";"),
        (b"sep=;,,", b";"),
    ],
)
def test_sep_line_sets_the_delimiter_and_is_not_data(
    line: bytes, delimiter: bytes, bom: bytes, line_end: bytes
) -> None:
    start = bom + line + line_end + b"a" + delimiter + b"b" + line_end
    finder = HeaderFinder()
    content = start + b"1" + delimiter + b"2" + line_end
    header = finder.feed(content) or finder.finish()
    assert header.dialect.delimiter == delimiter
    assert header.fields == (b"a", b"b")
    assert header.has_sep_line
    assert header.prefix == start, "the bytes are kept, so that the source can be restored"
    scanner = header.scanner()
    assert scanner.feed(finder.remainder).rows + scanner.finish().rows == 1


def test_declared_delimiter_wins_over_the_line_which_is_still_not_the_header() -> None:
    header = header_of(b"sep=;\na,b\n1,2\n", delimiter=b",")
    assert (header.fields, header.has_sep_line) == ((b"a", b"b"), True)


def test_file_that_is_only_a_sep_line_has_no_header() -> None:
    with pytest.raises(CsvFormatError) as raised:
        header_of(b"sep=;\r\n")
    assert raised.value.code == "empty_file"


@pytest.mark.parametrize(
    "start",
    [b"sep=;", b"sep=name,b\n", b"sep=\n", b"separator;b\n", b"\nsep=;\n", b" sep=;\n", b'"sep=;\n', b"sep=a\n"],
)
def test_line_that_only_resembles_a_sep_line_is_a_header(start: bytes) -> None:
    assert find_sep_line(start) is None
