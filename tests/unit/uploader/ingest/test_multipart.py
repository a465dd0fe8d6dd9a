"""The multipart body as events."""

from __future__ import annotations

import pytest

from tests.support.uploader.ingest import BOUNDARY, cut_up, form
from uploader.errors import MalformedMultipartError, UnsupportedMediaTypeError
from uploader.ingest.multipart import MultipartReader, PartBegin, PartData, PartEnd, parse_boundary

# Everything that looks like a boundary and is none.
CONFUSING = (
    b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\r\n--\r\n\r\r\n--" + BOUNDARY[:5].encode() + b"\n--" + BOUNDARY.encode()
)


def parts_of(pieces: list[bytes], boundary: str = BOUNDARY) -> list[tuple[str, str | None, bytes]]:
    """Return name, file name and content of each part that has ended."""
    reader = MultipartReader(boundary=boundary.encode())
    parts: list[tuple[str, str | None, bytes]] = []
    begun, content = PartBegin("", None), b""
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case PartBegin():
                    begun, content = event, b""
                case PartData(view):
                    content += view
                case PartEnd():
                    parts.append((begun.name, begun.filename, content))
    reader.finish()
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_events_do_not_depend_on_the_pieces(size: int) -> None:
    body = form([("dataset_name", b"people"), ("file", CONFUSING), ("strict", b"")])
    expected = [("dataset_name", None, b"people"), ("file", "data.csv", CONFUSING), ("strict", None, b"")]
    assert parts_of(cut_up(body, [size])) == expected


def test_events_do_not_depend_on_where_a_body_is_split() -> None:
    body = form([("file", CONFUSING), ("dataset_name", b"people")])
    expected = [("file", "data.csv", CONFUSING), ("dataset_name", None, b"people")]
    for place in range(len(body)):
        assert parts_of([body[:place], body[place:]]) == expected


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_padding_after_a_boundary_is_not_content(size: int) -> None:
    body = form([("file", b"a\n1\n"), ("strict", b"true")])
    padded = body.replace(BOUNDARY.encode() + b"\r\n", BOUNDARY.encode() + b" " * 300 + b"\r\n")
    padded = padded.removeprefix(b"--" + BOUNDARY.encode() + b" " * 300)
    padded = b"--" + BOUNDARY.encode() + padded
    assert parts_of(cut_up(padded, [size])) == [("file", "data.csv", b"a\n1\n"), ("strict", None, b"true")]


@pytest.mark.parametrize("missing_bytes", [3, 4, 10, 40])
def test_truncated_body_is_malformed(missing_bytes: int) -> None:
    with pytest.raises(MalformedMultipartError, match="truncated"):
        parts_of([form([("file", b"a\n1\n")])[:-missing_bytes]])


@pytest.mark.parametrize("start", [b"id,name\n1,x\n", b"a preamble\r\n", b"--", b"\r\n-id\n"])
def test_body_without_a_leading_boundary_gets_a_hint(start: bytes) -> None:
    with pytest.raises(MalformedMultipartError, match=r"must start with the boundary.*without a preamble"):
        parts_of([start + form([("file", b"a\n1\n")])])


def test_later_syntax_error_gets_no_hint_about_the_start() -> None:
    with pytest.raises(MalformedMultipartError, match=r"malformed: (?!.*preamble)"):
        parts_of([form([("file", b"a\n1\n")]).replace(b"Content-Disposition", b"Content Disposition")])


def test_part_without_a_name_is_malformed() -> None:
    with pytest.raises(MalformedMultipartError, match="Content-Disposition"):
        parts_of([b"--b\r\nContent-Type: text/csv\r\n\r\na\n\r\n--b--\r\n"], boundary="b")


def test_part_in_base64_is_refused() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    with pytest.raises(UnsupportedMediaTypeError, match="base64"):
        parts_of([head + b"YQo=\r\n--b--\r\n"], boundary="b")


def test_boundary_may_be_quoted() -> None:
    assert parse_boundary('Multipart/Form-Data; charset=utf-8; boundary="a b"') == b"a b"


@pytest.mark.parametrize("content_type", [None, "", "text/csv", "multipart/form-data", "multipart/mixed; boundary=b"])
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        parse_boundary(content_type)
