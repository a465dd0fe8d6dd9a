"""The proof sees what is missing, double, out of order or different, and says where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.model.schema import ColumnType
from sequencer.verify.topic_check import ContentCheck, LineCheck, TopicProof


def record(line: int, name: str = "a.csv", **fields: object) -> bytes:
    return json.dumps(
        {"id": str(line), **fields, "_source_line": line, "_source_file": name}, separators=(",", ":")
    ).encode()


def check_lines(
    lines: list[int], *, batch: int = 3, last_line: int | None = None, dead: list[int] | None = None
) -> TopicProof:
    check = LineCheck(last_line=last_line, dead=dead or [])
    for begin in range(0, len(lines), batch):
        part = lines[begin : begin + batch]
        check.feed(list(range(begin, begin + len(part))), [record(line) for line in part])
    return check.finish()


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_every_row_once_and_in_order_is_proven(batch: int) -> None:
    proof = check_lines([1, 2, 3, 4, 5, 6, 7], batch=batch, last_line=7)
    assert proof.holds
    assert (proof.records, proof.first_offset, proof.last_offset, proof.last_line) == (7, 0, 6, 7)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("lines", "first_difference"),
    [
        ([1, 2, 4, 5], "offset 2, row 3: is missing"),
        ([2, 3], "offset 0, row 1: is missing"),
        ([1, 5], "offset 1, row 2: is missing, with 2 more behind it"),
        ([1, 2, 2, 3], "offset 2, row 2: the row stands twice"),
        ([1, 3, 2, 4], "offset 1, row 2: is missing"),
        ([1, 2, 3, 1, 2], "offset 3, row 1: comes after row 3: twice, or out of order"),
    ],
)
def test_first_difference_is_named_with_its_offset_and_row(lines: list[int], first_difference: str, batch: int) -> None:
    assert str(check_lines(lines, batch=batch).differences[0]) == first_difference


def test_end_that_is_missing_is_a_difference() -> None:
    assert str(check_lines([1, 2], last_line=4).differences[0]) == "the end, row 3: is missing, with 1 more behind it"


def test_more_rows_than_are_expected_are_a_difference() -> None:
    assert str(check_lines([1, 2, 3, 4], last_line=2).differences[0]) == (
        "offset 3, row 4: comes behind row 2, which must be the last"
    )
    assert (
        str(check_lines([1], last_line=0).differences[0])
        == "offset 0, row 1: comes behind row 0, which must be the last"
    )


def test_dead_lettered_rows_may_be_missing_and_no_others() -> None:
    assert check_lines([1, 4, 5], dead=[2, 3, 6], last_line=6).holds
    assert str(check_lines([1, 4], dead=[2]).differences[0]) == "offset 1, row 3: is missing"


def test_record_of_somebody_else_is_a_difference() -> None:
    check = LineCheck()
    check.feed([7, 8], [record(1), b'{"_source_line":2}'])
    assert str(check.finish().differences[0]) == "offset 8: no record of a sequencer, where row 2 must be"


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_records_of_somebody_else_between_two_rows_leave_these_in_order(batch: int) -> None:
    values = [record(1), record(2), b"foreign", b"foreign", record(3), record(9)]
    check = LineCheck(last_line=8)
    for begin in range(0, len(values), batch):
        part = values[begin : begin + batch]
        check.feed(list(range(begin, begin + len(part))), part)
    proof = check.finish()
    assert [str(each) for each in proof.differences] == [
        "offset 2: no record of a sequencer, where row 3 must be",
        "offset 3: no record of a sequencer, where row 3 must be",
        "offset 5, row 4: is missing, with 4 more behind it",
        "offset 5, row 9: comes behind row 8, which must be the last",
    ]
    assert (proof.records, proof.first_line, proof.last_line) == (6, 1, 9)


def test_gap_of_any_size_is_counted_and_not_walked_through() -> None:
    most = 10**18 - 1
    proof = check_lines([1, most], dead=[2, 3, 5, 10**17])
    assert [str(each) for each in proof.differences] == [
        f"offset 1, row 4: is missing, with {most - 2 - 4 - 1} more behind it"
    ]


def test_only_the_first_differences_are_noted() -> None:
    proof = check_lines([line for row in range(1, 100) for line in (row, row + 10**12)], batch=1000)
    assert proof.is_full
    assert len(proof.differences) == 10
    assert not check_lines([1, 3]).is_full


@pytest.mark.parametrize(
    ("lines", "dead", "difference"),
    [
        ([1, 2, 3, 4], [5], "offset 3, row 4: comes behind row 2, which must be the last"),
        ([1, 4], [2, 3], "offset 1, row 4: comes behind row 2, which must be the last"),
    ],
)
def test_dead_letters_behind_the_last_row_are_no_rows_that_are_missing(
    lines: list[int], dead: list[int], difference: str
) -> None:
    assert [str(each) for each in check_lines(lines, last_line=2, dead=dead).differences] == [difference]


@given(
    lines=st.lists(st.integers(0, 12), max_size=8),
    dead=st.sets(st.integers(1, 14)),
    last_line=st.none() | st.integers(0, 14),
    batch=st.integers(1, 8),
)
def test_proof_holds_where_lines_and_dead_letters_are_all_rows_once(
    lines: list[int], dead: set[int], last_line: int | None, batch: int
) -> None:
    proof = check_lines(lines, batch=batch, last_line=last_line, dead=sorted(dead))
    upto = max(lines, default=0) if last_line is None else last_line
    assert proof.holds == (lines == [row for row in range(1, upto + 1) if row not in dead])


def test_line_in_a_field_of_the_row_is_not_taken_for_the_records_own() -> None:
    check = LineCheck()
    check.feed([0], [record(1, note='"_source_line":7,"_source_file":"x"}')])
    assert check.finish().holds


def rows(*ids: str) -> list[tuple[int, str, dict[str, str]]]:
    return [(line, "a.csv", {"id": text}) for line, text in enumerate(ids, start=1)]


def test_content_that_is_the_sources_is_proven() -> None:
    check = ContentCheck(iter(rows("1", "2")))
    check.feed([5, 6], [record(1), record(2)])
    assert check.finish().holds


@pytest.mark.parametrize(
    ("value", "first_difference"),
    [
        (record(2, id="02"), "offset 6, row 2: 'id' is '02' instead of '2'"),
        (record(2, more="x"), "offset 6, row 2: 'more' is 'x' instead of None"),
        (record(2, "b.csv"), "offset 6, row 2: '_source_file' is 'b.csv' instead of 'a.csv'"),
        (record(3), "offset 6, row 2: holds row 3 instead"),
        (b"[]", "offset 6, row 2: no JSON object: b'[]'"),
    ],
)
def test_content_that_differs_is_named(value: bytes, first_difference: str) -> None:
    check = ContentCheck(iter(rows("1", "2")))
    check.feed([5, 6], [record(1), value])
    assert str(check.finish().differences[0]) == first_difference


def test_source_and_topic_must_end_together() -> None:
    short = ContentCheck(iter(rows("1", "2")))
    short.feed([5], [record(1)])
    assert str(short.finish().differences[0]) == "the end, row 2: is missing, as are all rows behind it"
    long = ContentCheck(iter(rows("1")))
    long.feed([5, 6], [record(1), record(2)])
    assert str(long.finish().differences[0]) == "offset 6: a record behind the last row of the source"


def test_typed_columns_are_compared_by_value_and_others_to_the_letter() -> None:
    given = iter([(1, "a.csv", {"id": "007", "price": "2.50", "sold": "Yes", "note": ""})])
    check = ContentCheck(given, kinds={"id": "integer", "price": "number", "sold": "boolean"})
    check.feed([0], [b'{"id":7,"price":2.5,"sold":true,"note":"","_source_line":1,"_source_file":"a.csv"}'])
    assert check.finish().holds


@pytest.mark.parametrize(
    ("kind", "text", "sent", "holds"),
    [
        ("number", "12345678901234567.89", "12345678901234567.89", True),
        ("number", "12345678901234567.89", "1.2345678901234568e+16", False),
        ("number", "9007199254740993", "9007199254740993", True),
        ("number", "9007199254740993", "9007199254740992.0", False),
        ("number", "0.1", "0.1000000000000000055511151231257827", False),
        ("number", "+.5e3", "0.5e3", True),
        ("number", "5.", "5", True),
        ("number", "1e-99999999999999999999", "1e-99999999999999999999", True),
        ("number", "1", "true", False),
        ("number", "1", '"1"', False),
        ("integer", "9" * 5000, "9" * 5000, True),
        ("integer", "9" * 30, "9" * 29 + "8", False),
        ("integer", "1", "true", False),
        ("boolean", "1", "1", False),
        ("boolean", "1", "true", True),
        ("string", "1", "1", False),
        ("string", "1", '"1"', True),
    ],
)
def test_numbers_are_compared_with_all_of_their_digits(kind: ColumnType, text: str, sent: str, holds: bool) -> None:
    check = ContentCheck(iter([(1, "a.csv", {"n": text})]), kinds={"n": kind})
    check.feed([0], [f'{{"n":{sent},"_source_line":1,"_source_file":"a.csv"}}'.encode()])
    assert check.finish().holds == holds


def test_row_that_is_in_both_topics_is_a_difference() -> None:
    assert str(check_lines([1, 2, 3], dead=[2]).differences[0]) == "offset 1, row 2: has a dead letter as well"


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (None, "has another number of fields than the header, and no dead letter"),
        ({"id": "x"}, "breaks the schema, and has no dead letter: 'x' is no integer"),
        ({"price": "nan"}, "breaks the schema, and has no dead letter: 'nan' is no finite number"),
        ({"sold": "perhaps"}, "breaks the schema, and has no dead letter: 'perhaps' is no boolean"),
    ],
)
def test_row_that_can_have_no_record_must_be_a_dead_letter(fields: dict[str, str] | None, what: str) -> None:
    given = [(1, "a.csv", {"id": "1"}), (2, "a.csv", fields), (3, "a.csv", {"id": "3"})]
    sent = [
        b'{"id":1,"_source_line":1,"_source_file":"a.csv"}',
        b'{"id":3,"_source_line":3,"_source_file":"a.csv"}',
    ]
    for dead, differences in [([2], []), ([], [f"offset 9, row 2: {what}"])]:
        check = ContentCheck(iter(given), kinds={"id": "integer", "price": "number", "sold": "boolean"}, dead=dead)
        check.feed([8, 9], sent)
        assert [str(each) for each in check.finish().differences] == differences
