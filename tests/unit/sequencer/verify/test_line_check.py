"""Missing, duplicate and reordered records are found, with their places."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.verify.line_check import LineCheck
from sequencer.verify.result import TopicCheckResult


def record(line: int, name: str = "a.csv", **fields: object) -> bytes:
    return json.dumps(
        {"id": str(line), **fields, "_source_line": line, "_source_file": name}, separators=(",", ":")
    ).encode()


def check_lines(
    lines: list[int], *, batch: int = 3, last_line: int | None = None, dead: list[int] | None = None
) -> TopicCheckResult:
    check = LineCheck(last_line=last_line, dead=dead or [])
    for begin in range(0, len(lines), batch):
        part = lines[begin : begin + batch]
        check.feed(list(range(begin, begin + len(part))), [record(line) for line in part])
    return check.finish()


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_every_row_once_and_in_order_is_a_match(batch: int) -> None:
    result = check_lines([1, 2, 3, 4, 5, 6, 7], batch=batch, last_line=7)
    assert result.is_match
    assert (result.records, result.first_offset, result.last_offset, result.last_line) == (7, 0, 6, 7)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("lines", "first_difference"),
    [
        ([1, 2, 4, 5], "offset 2, row 3: missing"),
        ([2, 3], "offset 0, row 1: missing"),
        ([1, 5], "offset 1, row 2: missing, as are 2 after it"),
        ([1, 2, 2, 3], "offset 2, row 2: duplicate"),
        ([1, 3, 2, 4], "offset 1, row 2: missing"),
        ([1, 2, 3, 1, 2], "offset 3, row 1: duplicate or out of order: comes after row 3"),
    ],
)
def test_first_difference_has_its_offset_and_row(lines: list[int], first_difference: str, batch: int) -> None:
    assert str(check_lines(lines, batch=batch).differences[0]) == first_difference


def test_missing_end_is_a_difference() -> None:
    assert str(check_lines([1, 2], last_line=4).differences[0]) == "the end, row 3: missing, as is 1 after it"


def test_more_rows_than_expected_are_a_difference() -> None:
    assert str(check_lines([1, 2, 3, 4], last_line=2).differences[0]) == (
        "offset 3, row 4: comes after row 2, which must be the last"
    )
    assert (
        str(check_lines([1], last_line=0).differences[0])
        == "offset 0, row 1: comes after row 0, which must be the last"
    )


def test_only_dead_lettered_rows_may_be_missing() -> None:
    assert check_lines([1, 4, 5], dead=[2, 3, 6], last_line=6).is_match
    assert str(check_lines([1, 4], dead=[2]).differences[0]) == "offset 1, row 3: missing"


def test_foreign_record_is_a_difference() -> None:
    check = LineCheck()
    check.feed([7, 8], [record(1), b'{"_source_line":2}'])
    assert str(check.finish().differences[0]) == "offset 8: not written by csvpipe; expected row 2"


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_foreign_records_between_two_rows_do_not_affect_their_order(batch: int) -> None:
    values = [record(1), record(2), b"foreign", b"foreign", record(3), record(9)]
    check = LineCheck(last_line=8)
    for begin in range(0, len(values), batch):
        part = values[begin : begin + batch]
        check.feed(list(range(begin, begin + len(part))), part)
    result = check.finish()
    assert [str(each) for each in result.differences] == [
        "offset 2: not written by csvpipe; expected row 3",
        "offset 3: not written by csvpipe; expected row 3",
        "offset 5, row 4: missing, as are 4 after it",
        "offset 5, row 9: comes after row 8, which must be the last",
    ]
    assert (result.records, result.first_line, result.last_line) == (6, 1, 9)


def test_gap_of_any_size_is_counted_without_a_loop() -> None:
    most = 10**18 - 1
    result = check_lines([1, most], dead=[2, 3, 5, 10**17])
    assert [str(each) for each in result.differences] == [
        f"offset 1, row 4: missing, as are {most - 2 - 4 - 1} after it"
    ]


def test_number_of_differences_is_limited() -> None:
    result = check_lines([line for row in range(1, 100) for line in (row, row + 10**12)], batch=1000)
    assert result.is_full
    assert len(result.differences) == 10
    assert not check_lines([1, 3]).is_full


@pytest.mark.parametrize(
    ("lines", "dead", "difference"),
    [
        ([1, 2, 3, 4], [5], "offset 3, row 4: comes after row 2, which must be the last"),
        ([1, 4], [2, 3], "offset 1, row 4: comes after row 2, which must be the last"),
    ],
)
def test_dead_letters_after_the_last_row_are_not_missing_rows(
    lines: list[int], dead: list[int], difference: str
) -> None:
    assert [str(each) for each in check_lines(lines, last_line=2, dead=dead).differences] == [difference]


@given(
    lines=st.lists(st.integers(0, 12), max_size=8),
    dead=st.sets(st.integers(1, 14)),
    last_line=st.none() | st.integers(0, 14),
    batch=st.integers(1, 8),
)
def test_lines_and_dead_letters_match_if_they_are_all_rows_once(
    lines: list[int], dead: set[int], last_line: int | None, batch: int
) -> None:
    result = check_lines(lines, batch=batch, last_line=last_line, dead=sorted(dead))
    upto = max(lines, default=0) if last_line is None else last_line
    assert result.is_match == (lines == [row for row in range(1, upto + 1) if row not in dead])


def test_line_in_a_field_is_not_that_of_the_record() -> None:
    check = LineCheck()
    check.feed([0], [record(1, note='"_source_line":7,"_source_file":"x"}')])
    assert check.finish().is_match


def test_row_in_both_topics_is_a_difference() -> None:
    assert str(check_lines([1, 2, 3], dead=[2]).differences[0]) == "offset 1, row 2: has a dead letter as well"
