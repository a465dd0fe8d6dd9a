"""A scan that goes on after a violation finds every one that a naive scan finds, whatever the cuts."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from csvscan import Dialect, FaultLog, Scanner, Strictness
from tests.property.scan_reference import (
    blocks,
    cut_points,
    every_byte,
    examine_naively,
    scan_in_blocks,
    texts,
)
from tests.support.examples import examples

FINE = [b"1,2\n", b'"1\r\n",2\r', b'1,"a ""b"" c"\r\n', b"\n", b"\r\n", b"\r", b"1,2\n" * 30, b"\xc3\xa9,2\n"]
WRONG = [
    b"1\n", b"1,2,3\r\n", b"1,2,,\n", b"1,2,,,\r\n", b"1,2,\r", b',,,,\n', b'1,2,""\n', b'1,",,"\n', b"1,2,3,,\n", b",",
    b",,", b"\0", b"\0,2\n", b"\xc3", b"\x81,2\n", b"\xff\xfe,\xff\n", b"\xe2\x82", b"a" * 70, b"," * 130, b'5" pipe',
]  # fmt: skip
BODIES = st.one_of(
    st.lists(st.sampled_from(FINE + WRONG), max_size=30).map(b"".join),
    st.lists(st.sampled_from([*WRONG, b'"', b"x"]), max_size=30).map(b"".join),
    texts().map(str.encode),
)
ENCODINGS = st.sampled_from([None, "utf-8", "cp1252", "ascii", "cp932", "gb18030"])


@settings(max_examples=examples(200))
@given(
    data=st.data(),
    body=BODIES,
    expected=st.sampled_from([None, 1, 2, 3]),
    encoding=ENCODINGS,
    is_lenient=st.booleans(),
)
@example(data=None, body=b"1,2,,\r\n1,,,\r", expected=2, encoding=None, is_lenient=True)
def test_every_violation_and_accepted_deviation_is_found(
    *, data: st.DataObject | None, body: bytes, expected: int | None, encoding: str | None, is_lenient: bool
) -> None:
    cuts = every_byte(body) if data is None else data.draw(cut_points(len(body)) | st.just(every_byte(body)))
    log = FaultLog(most=1000)
    strictness = Strictness.LENIENT if is_lenient else Strictness.STRICT
    scanner = Scanner(dialect=Dialect(), expected_fields=expected, encoding=encoding, strictness=strictness, faults=log)
    found = scan_in_blocks(scanner, blocks(body, cuts))
    wanted = examine_naively(body, Dialect(), expected, encoding, is_lenient=is_lenient)
    assert [(each.code, each.row, each.byte, each.expected, each.found) for each in log.first] == wanted.faults
    assert log.counts == Counter(code for code, *_ in wanted.faults)
    assert (found.ends, found.violation) == (wanted.ends, None)
    if scanner.deviations is not None:
        assert scanner.deviations.surplus_empty_cells == wanted.surplus_empty_cells
        if "unterminated_quote" not in log.counts:
            assert scanner.deviations.blank_last_lines == wanted.blank_last_lines


@settings(max_examples=examples(200))
@given(st.data(), BODIES, ENCODINGS, st.sampled_from(Strictness))
def test_first_of_all_violations_is_the_one_that_ends_a_scan_without_a_log(
    data: st.DataObject, body: bytes, encoding: str | None, strictness: Strictness
) -> None:
    def scan(faults: FaultLog | None) -> object:
        scanner = Scanner(dialect=Dialect(), expected_fields=2, encoding=encoding, strictness=strictness, faults=faults)
        return scan_in_blocks(scanner, blocks(body, data.draw(cut_points(len(body))))).violation

    log = FaultLog(most=1)
    assert scan(log) is None
    first = next(((each.code, each.row, each.byte, each.expected, each.found) for each in log.first), None)
    assert scan(None) == first
