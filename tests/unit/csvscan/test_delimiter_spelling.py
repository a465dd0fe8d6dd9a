from __future__ import annotations

import pytest

from csvscan import DelimiterError, parse_delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        (",", b","),
        ("comma", b","),
        ("Semicolon", b";"),
        ("\t", b"\t"),
        ("tab", b"\t"),
        (r"\t", b"\t"),
        ("pipe", b"|"),
        ("|", b"|"),
        ("^", b"^"),
        ("caret", b"^"),
        ("~", b"~"),
        ("\\", b"\\"),
        (" ", b" "),
        ("space", b" "),
        ("\x01", b"\x01"),
        (r"\x01", b"\x01"),
        (r"\X1F", b"\x1f"),
        (r"\u0001", b"\x01"),
        ("0x1f", b"\x1f"),
        (r"\001", b"\x01"),
        (r"\037", b"\x1f"),
        ("^A", b"\x01"),
        ("^_", b"\x1f"),
        ("", None),
        ("auto", None),
    ],
)
def test_delimiter_has_several_spellings(text: str, delimiter: bytes | None) -> None:
    assert parse_delimiter(text) == delimiter


def test_every_ascii_byte_but_four_is_its_own_spelling() -> None:
    refused = set()
    for byte in range(0x80):
        try:
            assert parse_delimiter(chr(byte)) == bytes([byte])
        except DelimiterError:
            refused.add(byte)
    assert refused == {0x00, 0x0A, 0x0D, 0x22}


@pytest.mark.parametrize(
    "text",
    [
        *("||", "~|~", "::", ",;", "tabs", "§", "\u3000", '"'),
        *(r"\x", r"\x0", r"\x80", r"\x001", r"\u0100", r"\n", r"\x0a", r"\x00", r"\400"),
    ],
)
def test_other_texts_are_refused_with_a_list_of_the_spellings(text: str) -> None:
    with pytest.raises(DelimiterError, match="one ASCII character"):
        parse_delimiter(text)


def test_several_characters_are_refused_as_such() -> None:
    with pytest.raises(DelimiterError, match=r"'~\|~', which is 3 characters: a delimiter of several .* not supported"):
        parse_delimiter("~|~")
