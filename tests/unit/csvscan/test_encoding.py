from __future__ import annotations

from itertools import product

import pytest

from csvscan import UnsupportedEncodingError, check_encoding
from csvscan.bits import Block, MaskMaker
from csvscan.encoding import encoding_check
from csvscan.utf8 import is_utf8

CORNERS = (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xF0, 0xF4, 0xFF)


def fault_of_python(data: bytes, encoding: str) -> int | None:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return None


def fault(data: bytes, encoding: str, cut: int) -> int | None:
    """Return the offset of the fault in ``data``, cut in two."""
    check = encoding_check(encoding)
    for base, part in ((0, data[:cut]), (cut, data[cut:])):
        place = check.feed(Block(part))
        if place is not None:
            return base + place
    place = check.finish()
    return None if place is None else len(data) + place


@pytest.mark.parametrize("lead", range(0x80, 0x100))
def test_every_first_byte_is_valid_exactly_if_python_decodes_it(lead: int) -> None:
    masks = MaskMaker()
    for rest in product(CORNERS, CORNERS, (0x41, 0x80)):
        data = b"abc" + bytes((lead, *rest)) + b"xyz"
        assert is_utf8(Block(data), masks) == (fault_of_python(data, "utf-8") is None), data


@pytest.mark.parametrize(
    "good", ["\u00e9", "\u6771", "\ud7ff", "\ue000", "\U0001f600", "\U00010000", "\U0010ffff", "\u0800"]
)
@pytest.mark.parametrize("padding", [0, 59, 61, 62, 63])
def test_sequence_split_between_words_and_blocks_is_valid(good: str, padding: int) -> None:
    data = b"x" * padding + good.encode() * 40 + b"\n"
    assert {fault(data, "utf-8", cut) for cut in range(len(data) + 1)} == {None}


@pytest.mark.parametrize(
    "bad", [b"\x80", b"\xc3(", b"\xe2\x82(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xff", b"\xc3"]
)
@pytest.mark.parametrize("padding", [0, 61, 63])
def test_fault_has_the_offset_that_python_reports_whatever_the_cut(bad: bytes, padding: int) -> None:
    data = "é".encode() * padding + bad
    assert {fault(data, "utf-8", cut) for cut in range(len(data) + 1)} == {2 * padding}
    assert fault_of_python(data, "utf-8") == 2 * padding


@pytest.mark.parametrize("name", ["cp1252", "cp1250", "iso8859-7", "ascii", "koi8-r", "cp437"])
def test_every_byte_of_a_single_byte_encoding_is_valid_exactly_if_python_decodes_it(name: str) -> None:
    for value in range(0x100):
        data = b"abc" + bytes([value])
        assert encoding_check(name).feed(Block(data)) == fault_of_python(data, name)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("latin-1", "iso8859-1"),
        ("Windows-1252", "cp1252"),
        ("US-ASCII", "ascii"),
    ],
)
def test_encoding_has_one_name(name: str, canonical: str) -> None:
    assert check_encoding(name) == canonical


@pytest.mark.parametrize(
    "name",
    [
        "utf-16",
        "utf-32",
        "iso2022_jp",
        "hz",
        "johab",
        "shift_jis_2004",
        "cp037",
        "utf-7",
        "base64",
        "no such thing",
        "../x",
        "",
        "utf-8\0",
    ],
)
def test_encoding_that_cannot_be_checked_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedEncodingError):
        check_encoding(name)
