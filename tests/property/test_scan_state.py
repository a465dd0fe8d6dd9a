"""A scan that is saved as JSON and resumed at every cut finds the same as an unbroken one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from csvscan import Dialect, Scanner, Strictness
from tests.property.resumed_scan import (
    Options,
    Upload,
    resumed,
    rows_plan,
    scan,
    short_probes,
    size_plan,
    state_as_json,
)
from tests.property.scan_reference import blocks, cut_points, every_byte, scan_in_blocks, texts
from tests.support.examples import examples

PIECES = [
    b"1,2\n", b'"1\r\n",2\r', b'1,"a ""b"" c"\r\n', b"\n", b"\r\n", b"\r", b'5" pipe,x\n', b'"a"b"c,d\n', b'\\",e\n',
    b'1,"\n""\n"\r\n', b"1," + b"a" * 76 + b"\r\n", b"1;2;3\n", b"1|2\n", b"1,2,,\n", b",,,\r\n",
    b"sep=|\r\n", b"1,2\n" * 40,
]  # fmt: skip
FOREIGN = [
    b"\xc3", b"\xc3\xa9,1\n", b"\xe2\x82", b"\xf0\x9f\x98\x80,x\n", b"\x81", b"\x81\x7c|x\n", b"\x95\x5c\x22,y\n",
    b"\0", b"\x810\x810,z\n", b"\xb0\xa1", b'"\x83\x5c"|1\n', b"\x81\x22",
]  # fmt: skip
HEALTH_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
HEADERS = st.sampled_from([b"a,b\n", b"\xef\xbb\xbfa,b\r\n", b"sep=|\na|b\n", b'"x\n",y\r', b"\n\na;b\n", b""])
BODIES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join),
    st.lists(st.sampled_from(PIECES + FOREIGN), max_size=25).map(b"".join),
    texts().map(str.encode),
)
MULTIBYTE = ["shift_jis", "gb18030", "big5", "euc_jp"]
ENCODINGS = st.sampled_from([None, "utf-8", "cp1252", "ascii", *MULTIBYTE])
PLANS = st.integers(1, 200).map(size_plan) | st.integers(1, 5).map(rows_plan)
OPTIONS = st.tuples(st.sampled_from([None, b",", b";", b"|"]), ENCODINGS, st.sampled_from(Strictness), PLANS)
DIALECTS = st.builds(
    Dialect.for_encoding, st.sampled_from([b",", b";", b"\t", b"|"]), st.sampled_from([None, *MULTIBYTE])
) | st.builds(Dialect, st.sampled_from([b",", b"|"]), st.just(b"'"))


@pytest.fixture(autouse=True)
def _short_probes() -> Iterator[None]:
    with short_probes():
        yield


@settings(max_examples=examples(300))
@given(
    data=st.data(),
    body=BODIES,
    dialect=DIALECTS,
    expected=st.sampled_from([None, 1, 2, 3]),
    encoding=ENCODINGS,
    strictness=st.sampled_from(Strictness),
)
def test_scanner_resumed_at_any_cuts_finds_the_same_ends_and_first_fault(
    *,
    data: st.DataObject,
    body: bytes,
    dialect: Dialect,
    expected: int | None,
    encoding: str | None,
    strictness: Strictness,
) -> None:
    def new_scanner() -> Scanner:
        return Scanner(
            dialect=dialect, expected_fields=expected, encoding=encoding, strictness=strictness, byte_offset=7
        )

    parts = blocks(body, data.draw(cut_points(len(body))))
    found = scan_in_blocks(new_scanner(), parts, resume=lambda scanner: resumed(scanner, new_scanner()))
    unbroken = scan_in_blocks(new_scanner(), [body])
    assert found.violation == unbroken.violation
    if unbroken.violation is None:
        assert (found.ends, found.encoding) == (unbroken.ends, unbroken.encoding)


@settings(max_examples=examples(150), suppress_health_check=HEALTH_CHECKS)
@given(data=st.data(), header=HEADERS, body=BODIES, options=OPTIONS)
def test_content_resumed_at_any_cuts_gives_the_same_rows_chunks_and_first_fault(
    data: st.DataObject, header: bytes, body: bytes, options: Options
) -> None:
    content = header + body
    cuts = data.draw(cut_points(len(content)))
    assert scan(blocks(content, cuts), options, is_resumed=True) == scan([content], options)


@settings(max_examples=examples(40), suppress_health_check=HEALTH_CHECKS)
@given(header=HEADERS, body=BODIES, options=OPTIONS)
@example(header=b"a|b\n", body=b"\x81\x7c|x\r\n" * 5, options=(b"|", "shift_jis", Strictness.STRICT, rows_plan(2)))
@example(header=b"a,b\n", body=b'"1""\r\n",5" pipe\r\r\n"x', options=(b",", "utf-8", Strictness.OFF, size_plan(3)))
def test_content_resumed_after_every_byte_gives_the_same_rows_chunks_and_first_fault(
    header: bytes, body: bytes, options: Options
) -> None:
    content = header + body
    assert scan(blocks(content, every_byte(content)), options, is_resumed=True) == scan([content], options)


def test_bounds_and_index_of_a_resumed_content_are_those_of_an_unbroken_one() -> None:
    content = b"a,b\n" + b'1,"2\n"\r\n3,4\n\n' * 40
    parts = blocks(content, list(range(20, len(content), 20)))
    options: Options = (b",", None, Strictness.STRICT, rows_plan(3))
    unbroken, broken = Upload(options), Upload(options)
    for part in parts:
        unbroken.feed(part)
        broken.feed(part)
        broken.save_and_resume()
    assert broken.was_resumed
    assert broken.index.boundaries == unbroken.index.boundaries
    assert len(broken.finish().chunk_ends) == 27


def test_state_stays_small_however_long_the_content_is() -> None:
    scanner = Scanner(dialect=Dialect(), expected_fields=2, byte_offset=4)
    for _ in range(3):
        scanner.feed(b'1,"2\n"\n' * 100_000)
    assert len(state_as_json(scanner)) < 600
