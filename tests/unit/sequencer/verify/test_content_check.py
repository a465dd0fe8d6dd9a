"""Records with other content than the source are found, with their places."""

from __future__ import annotations

import json

import pytest

from sequencer.model.schema import ColumnType
from sequencer.verify.content_check import ContentCheck


def record(line: int, name: str = "a.csv", **fields: object) -> bytes:
    return json.dumps(
        {"id": str(line), **fields, "_source_line": line, "_source_file": name}, separators=(",", ":")
    ).encode()


def rows(*ids: str) -> list[tuple[int, str, dict[str, str]]]:
    return [(line, "a.csv", {"id": text}) for line, text in enumerate(ids, start=1)]


def test_content_of_the_source_is_a_match() -> None:
    check = ContentCheck(iter(rows("1", "2")))
    check.feed([5, 6], [record(1), record(2)])
    assert check.finish().is_match


@pytest.mark.parametrize(
    ("value", "first_difference"),
    [
        (record(2, id="02"), "offset 6, row 2: 'id' is '02' instead of '2'"),
        (record(2, more="x"), "offset 6, row 2: 'more' is 'x' instead of None"),
        (record(2, "b.csv"), "offset 6, row 2: '_source_file' is 'b.csv' instead of 'a.csv'"),
        (record(3), "offset 6, row 2: has row 3 instead"),
        (b"[]", "offset 6, row 2: not a JSON object: b'[]'"),
    ],
)
def test_different_content_is_reported(value: bytes, first_difference: str) -> None:
    check = ContentCheck(iter(rows("1", "2")))
    check.feed([5, 6], [record(1), value])
    assert str(check.finish().differences[0]) == first_difference


def test_source_and_topic_must_end_together() -> None:
    short = ContentCheck(iter(rows("1", "2")))
    short.feed([5], [record(1)])
    assert str(short.finish().differences[0]) == "the end, row 2: missing, as are all rows after it"
    long = ContentCheck(iter(rows("1")))
    long.feed([5, 6], [record(1), record(2)])
    assert str(long.finish().differences[0]) == "offset 6: a record after the last row of the source"


def test_typed_columns_are_compared_by_value_and_others_verbatim() -> None:
    given = iter([(1, "a.csv", {"id": "007", "price": "2.50", "sold": "Yes", "note": ""})])
    check = ContentCheck(given, kinds={"id": "integer", "price": "number", "sold": "boolean"})
    check.feed([0], [b'{"id":7,"price":2.5,"sold":true,"note":"","_source_line":1,"_source_file":"a.csv"}'])
    assert check.finish().is_match


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
    assert check.finish().is_match == holds


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (None, "has a different number of fields than the header, but no dead letter"),
        ({"id": "x"}, "violates the schema, but has no dead letter: 'x' is not an integer"),
        ({"price": "nan"}, "violates the schema, but has no dead letter: 'nan' is not a finite number"),
        ({"sold": "perhaps"}, "violates the schema, but has no dead letter: 'perhaps' is not a boolean"),
    ],
)
def test_row_without_a_valid_record_must_be_a_dead_letter(fields: dict[str, str] | None, what: str) -> None:
    given = [(1, "a.csv", {"id": "1"}), (2, "a.csv", fields), (3, "a.csv", {"id": "3"})]
    sent = [
        b'{"id":1,"_source_line":1,"_source_file":"a.csv"}',
        b'{"id":3,"_source_line":3,"_source_file":"a.csv"}',
    ]
    for dead, differences in [([2], []), ([], [f"offset 9, row 2: {what}"])]:
        check = ContentCheck(iter(given), kinds={"id": "integer", "price": "number", "sold": "boolean"}, dead=dead)
        check.feed([8, 9], sent)
        assert [str(each) for each in check.finish().differences] == differences
