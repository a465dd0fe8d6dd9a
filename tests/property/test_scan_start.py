"""Header, dialect and UTF-16 do not depend on the cuts."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csvscan import CsvFormatError, Dialect, Header, HeaderFinder, Strictness, detect_delimiter
from csvscan.bom import detect_bom
from csvscan.transcoder import Utf16Transcoder
from tests.property.scan_reference import blocks, cut_points, is_unterminated, rows_of_python, scan_in_blocks, texts

BOMS = st.sampled_from(["", "\ufeff"])


def find_header(content: bytes, cuts: list[int], delimiter: bytes | None) -> tuple[Header, bytes] | str:
    """Return the header and all bytes after it, or the code of the error."""
    finder = HeaderFinder(delimiter=delimiter)
    parts = blocks(content, cuts)
    try:
        for index, part in enumerate(parts):
            header = finder.feed(part)
            if header is not None:
                return header, finder.remainder + b"".join(parts[index + 1 :])
        return finder.finish(), finder.remainder
    except CsvFormatError as error:
        return error.code


@given(st.data(), BOMS, texts(), st.sampled_from([None, b",", b";"]))
def test_header_does_not_depend_on_the_cuts_and_loses_no_byte(
    data: st.DataObject, bom: str, text: str, delimiter: bytes | None
) -> None:
    content = (bom + text).encode()
    found = find_header(content, data.draw(cut_points(len(content))), delimiter)
    assert found == find_header(content, [], delimiter)
    if not isinstance(found, str):
        header, rest = found
        assert header.prefix + rest == content


@given(st.data(), BOMS, texts())
def test_header_and_body_are_the_rows_of_python(data: st.DataObject, bom: str, text: str) -> None:
    content = (bom + text).encode()
    found = find_header(content, data.draw(cut_points(len(content))), b",")
    ends, rows = rows_of_python(text, Dialect())
    if isinstance(found, str):
        assert found == ("unterminated_quote" if rows else "empty_file")
        return
    header, rest = found
    assert [name.decode() for name in header.fields] == rows[0]
    assert header.prefix.decode() == bom + text[: ends[0]]
    body = scan_in_blocks(header.scanner(strictness=Strictness.OFF), blocks(rest, data.draw(cut_points(len(rest)))))
    if body.violation is not None:
        assert body.violation[0] == "unterminated_quote"
        assert is_unterminated(text, Dialect())
        return
    assert len(body.ends) == len(rows) - 1


@given(
    st.sampled_from([b",", b";", b"\t", b"|"]),
    st.lists(st.text(alphabet='ab,;\t|"\n', max_size=5), min_size=2, max_size=6),
)
def test_sniffed_delimiter_is_the_one_outside_of_quotes(delimiter: bytes, names: list[str]) -> None:
    header = delimiter.join(b'"' + name.replace('"', '""').encode() + b'"' for name in names) + b"\r\n"
    assert detect_delimiter(header) == delimiter


@given(st.data(), st.text(max_size=60), st.sampled_from(["utf-16-le", "utf-16-be"]))
def test_utf16_becomes_utf8_and_back_again(data: st.DataObject, text: str, encoding: str) -> None:
    source = ("\ufeff" + text).encode(encoding)
    assert detect_bom(source[:3]) == (encoding, 2)
    transcoder = Utf16Transcoder(encoding)
    parts = [transcoder.feed(part) for part in blocks(source, data.draw(cut_points(len(source))))]
    result = b"".join([*parts, transcoder.finish()])
    assert result == text.encode()
    assert ("\ufeff" + result.decode()).encode(encoding) == source


@given(st.data(), st.binary(max_size=40))
def test_invalid_utf16_is_refused_at_the_byte_that_python_reports(data: st.DataObject, body: bytes) -> None:
    source = codecs.BOM_UTF16_LE + body
    try:
        source.decode("utf-16-le")
    except UnicodeDecodeError as error:
        place, valid = error.start, source[: error.start].decode("utf-16-le")
    else:
        assume(False)
    transcoder = Utf16Transcoder("utf-16-le", current_row=lambda: 7)
    parts: list[bytes] = []

    def transcode() -> None:
        for part in blocks(source, cuts):
            parts.append(transcoder.feed(part))  # noqa: PERF401 - what came before the error counts
        parts.append(transcoder.finish())

    cuts = data.draw(cut_points(len(source)))
    with pytest.raises(CsvFormatError) as raised:
        transcode()
    assert (raised.value.code, raised.value.row, raised.value.byte) == ("invalid_encoding", 7, place)
    assert b"".join(parts).decode() == valid.removeprefix("\ufeff")
