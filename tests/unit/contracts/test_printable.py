"""No text of others steers a terminal, forges a line, or turns text around."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.printable import printable, printable_json

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
DANGEROUS = [
    *map(chr, range(0x20)),
    "\x7f",
    *map(chr, range(0x80, 0xA0)),
    "\u2028",
    "\u2029",
    *BIDI,
    "\ud800",
    "\udfff",
]


@pytest.mark.parametrize("character", DANGEROUS, ids=lambda character: f"U+{ord(character):04X}")
def test_every_control_character_is_escaped(character: str) -> None:
    text = printable(f"a{character}b")
    assert text.startswith("a\\")
    assert text.isprintable()
    document = printable_json(json.dumps({"name": f"a{character}b"}, ensure_ascii=False))
    assert document.isprintable()
    assert json.loads(document) == {"name": f"a{character}b"}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udcff.csv", "\\udcff.csv"),
    ],
)
def test_escapes_are_those_of_a_python_literal(text: str, escaped: str) -> None:
    assert printable(text) == escaped


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"])))
def test_text_without_control_characters_is_unchanged(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_nothing_unsafe_is_left_and_twice_is_once(text: str) -> None:
    safe = printable(text)
    assert printable(safe) == safe
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in safe)


def test_own_line_ends_are_kept() -> None:
    assert printable("one\ntwo\x1b\r\n", keep_line_ends=True) == "one\ntwo\\x1b\\r\n"


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some)
)


@given(JSON)
def test_json_means_the_same(value: object) -> None:
    for indent in (None, 2):
        document = printable_json(json.dumps(value, indent=indent, ensure_ascii=False))
        assert json.loads(document) == value
