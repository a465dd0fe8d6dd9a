from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvscan import Dialect, HeaderFinder, Scanner, Strictness, TextTraits
from tests.property.scan_reference import blocks, cut_points, texts

NAMES = (
    "lf", "crlf", "cr", "cr_before_crlf", "blank_lines", "newlines_in_quotes", "quotes", "doubled_quotes",
    "quotes_in_text", "text_after_quotes", "backslashes", "backslashes_before_quotes",
)  # fmt: skip


def traits_of(parts: list[bytes]) -> dict[str, int]:
    """Return the traits that are not 0."""
    traits = TextTraits()
    scanner = Scanner(dialect=Dialect(), expected_fields=None, traits=traits)
    for part in parts:
        scanner.feed(part)
    return {name: int(getattr(traits, name)) for name in NAMES if getattr(traits, name)}


@pytest.mark.parametrize(
    ("content", "traits"),
    [
        (b"1,2\n3,4\r\n5,6\r7", {"lf": 1, "crlf": 1, "cr": 1}),
        (b"1,2\r\r\n3,4\r\r\n", {"crlf": 2, "cr": 2, "cr_before_crlf": 2, "blank_lines": 2}),
        (b"1\n\n\r\n2\n", {"lf": 3, "crlf": 1, "blank_lines": 2}),
        (b'1,"a\nb\r\nc"\n', {"lf": 1, "newlines_in_quotes": 3, "quotes": 2}),
        (b'"a ""b"" c",""\n', {"lf": 1, "quotes": 8, "doubled_quotes": 2}),
        (b'5" pipe,6"\n', {"lf": 1, "quotes": 2, "quotes_in_text": 2}),
        (b'"a"b,"c" ,"d"\n', {"lf": 1, "quotes": 6, "text_after_quotes": 2}),
        (
            b'"C:\\",\\"x\\\n',
            {"lf": 1, "quotes": 3, "quotes_in_text": 1, "backslashes": 3, "backslashes_before_quotes": 1},
        ),
    ],
)
def test_traits_are_counted(content: bytes, traits: dict[str, int]) -> None:
    assert traits_of([content]) == traits


@given(st.data(), texts())
def test_traits_do_not_depend_on_the_cuts(data: st.DataObject, text: str) -> None:
    content = text.replace("a", "\\").encode()
    assert traits_of(blocks(content, data.draw(cut_points(len(content))))) == traits_of([content])


def test_traits_of_the_header_count() -> None:
    finder = HeaderFinder(delimiter=b",")
    finder.feed(b'"a\n",b\r\r\n1,2\r\r\n')
    header, traits = finder.finish(), TextTraits()
    header.scanner(strictness=Strictness.OFF, traits=traits).feed(finder.remainder)
    assert (traits.newlines_in_quotes, traits.quotes, traits.cr_before_crlf) == (1, 2, 2)
