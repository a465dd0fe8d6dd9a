"""The first violation has the row and byte of a naive scan, whatever the cuts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from csvscan import Dialect, Scanner
from tests.property.scan_reference import blocks, cut_points, every_byte, scan_in_blocks, scan_naively, texts
from tests.support.examples import examples

FINE = [b"1,2\n", b'"1\r\n",2\r', b'1,"a ""b"" c"\r\n', b"\n", b"\r\n", b'\xc3\xa9,5" pipe\n', b"1,2\n" * 30]
PARTS = [b"a", b"\r", b",", b'"', b'p"q', b'1,"\n""\n"\r\n', b"1," + b"a" * 76 + b"\r\n", b"\n" * 64]
FOREIGN = [b"\0", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98\x80", b"\x81"]
TROUBLE = st.lists(st.sampled_from(FINE + PARTS + FOREIGN), max_size=30).map(b"".join)
MOSTLY_FINE = st.lists(st.sampled_from(FINE), max_size=20).map(b"".join)
BODIES = st.one_of(TROUBLE, st.tuples(MOSTLY_FINE, TROUBLE).map(b"".join), texts().map(str.encode))
ENCODINGS = st.sampled_from([None, "utf-8", "cp1252", "ascii"])


@settings(max_examples=examples(200))
@given(st.data(), BODIES, st.sampled_from([None, 1, 2, 3]), ENCODINGS)
def test_first_violation_is_that_of_a_naive_scan(
    data: st.DataObject, body: bytes, expected: int | None, encoding: str | None
) -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=expected, encoding=encoding)
    found = scan_in_blocks(scanner, blocks(body, data.draw(cut_points(len(body)))))
    wanted = scan_naively(body, Dialect(), expected, encoding)
    assert found.violation == wanted.violation
    if wanted.violation is None:
        assert found.ends == wanted.ends


@settings(max_examples=examples(200))
@given(BODIES, ENCODINGS)
def test_first_violation_does_not_depend_on_the_cuts(body: bytes, encoding: str | None) -> None:
    def violation(cuts: list[int]) -> object:
        scanner = Scanner(dialect=Dialect(), expected_fields=2, encoding=encoding)
        return scan_in_blocks(scanner, blocks(body, cuts)).violation

    assert violation(every_byte(body)) == violation([])


@given(st.data(), st.binary(max_size=200).map(lambda body: body.replace(b"\0", b"").replace(b'"', b"")))
def test_undeclared_encoding_is_known_in_the_end(data: st.DataObject, body: bytes) -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=None)
    found = scan_in_blocks(scanner, blocks(body, data.draw(cut_points(len(body)))))
    try:
        body.decode()
    except UnicodeDecodeError:
        assert found.encoding == "unknown-8bit"
    else:
        assert found.encoding == "utf-8"


@given(st.data(), BODIES, st.integers(0, 1 << 40))
def test_byte_offset_changes_only_the_reported_byte(data: st.DataObject, body: bytes, offset: int) -> None:
    cuts = data.draw(cut_points(len(body)))
    plain = scan_in_blocks(Scanner(dialect=Dialect(), expected_fields=2), blocks(body, cuts)).violation
    moved = scan_in_blocks(
        Scanner(dialect=Dialect(), expected_fields=2, byte_offset=offset), blocks(body, cuts)
    ).violation
    if plain is not None:
        code, row, byte, expected, found = plain
        plain = (code, row, byte + offset, expected, found)
    assert moved == plain
