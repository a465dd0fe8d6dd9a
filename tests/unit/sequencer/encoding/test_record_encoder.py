"""What becomes a record, what becomes a dead letter, and what stops a job."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from contracts.errors import SettingsError
from csvscan import Dialect, HeaderFinder
from sequencer.encoding.record_encoder import RecordEncoder, check_columns, row_bounds
from sequencer.errors import BadRowError
from sequencer.job.dead_letters import dead_letter_json
from sequencer.model.blocks import DeadLetter, EncodedBlock, RowBlock
from sequencer.model.schema import ColumnSchema, Schema
from sequencer.model.source_position import SourcePosition
from sequencer.settings import MAX_RECORD_BYTES
from sequencer.source.row_block_reader import RowBlockReader

TYPED = Schema(
    columns=(
        ColumnSchema(column="id", type="integer", required=True),
        ColumnSchema(column="price", type="number"),
        ColumnSchema(column="sold", type="boolean"),
    )
)


def encode(content: bytes, *, encoding: str = "utf-8", first_line: int = 0, **given: Any) -> EncodedBlock:
    finder = HeaderFinder(encoding=None if encoding == "utf-8" else encoding)
    header = finder.feed(content) or finder.finish()
    start = SourcePosition(first_line, 0, len(header.prefix))
    rows = RowBlockReader(header=header, source_file="a.csv", start=start, encoding=encoding)
    (block,) = rows.read([content[len(header.prefix) :]])
    columns = [field.decode(encoding) for field in header.fields]
    options = {"schema": Schema(), "on_bad_row": "dead-letter", **given}
    return RecordEncoder(columns=columns, dialect=Dialect(), encoding=encoding, **options).encode(block)


def test_record_is_the_row_with_its_line_and_file() -> None:
    encoded = encode(b'id,name\n1,"a ""b"", c"\n2,\n', first_line=40)
    assert list(encoded.records) == [
        b'{"id":"1","name":"a \\"b\\", c","_source_line":41,"_source_file":"a.csv"}',
        b'{"id":"2","name":"","_source_line":42,"_source_file":"a.csv"}',
    ]
    assert list(encoded.lines) == [41, 42]


def test_other_encodings_become_utf_8() -> None:
    encoded = encode("name\ngröße\n".encode("cp1252"), encoding="cp1252")
    assert json.loads(next(iter(encoded.records)))["name"] == "größe"


@pytest.mark.parametrize("quoted", [b"", b'"x"\n'], ids=["plain", "quoted"])
def test_single_column_keeps_empty_rows_only_if_they_are_quoted(quoted: bytes) -> None:
    encoded = encode(b"x\na\n\n" + quoted + b'""\nb\n')
    values = [json.loads(record)["x"] for record in encoded.records]
    assert values == ["a", *(["x"] if quoted else []), "", "b"]


def test_ragged_rows_become_dead_letters_and_the_others_keep_their_lines() -> None:
    encoded = encode(b"a,b\n1,2\n3\n4,5\n6,7,8\n9,0\n")
    assert [json.loads(record)["a"] for record in encoded.records] == ["1", "4", "9"]
    assert list(encoded.lines) == [1, 3, 5]
    assert encoded.dead == [
        DeadLetter(2, "a.csv", "3", "1 field instead of 2"),
        DeadLetter(4, "a.csv", "6,7,8", "3 fields instead of 2"),
    ]
    assert encoded.last_line == 5


def test_ragged_row_that_stops_the_job_is_reported_with_row_and_byte() -> None:
    with pytest.raises(BadRowError, match="row 2, byte 8: 1 field instead of 2") as caught:
        encode(b"a,b\n1,2\n3\n4,5\n", on_bad_row="stop")
    assert caught.value.extra["row"] == 2


def test_schema_converts_its_columns_only() -> None:
    encoded = encode(b"id,price,sold,note\n1,2.5,yes,7\n-2,,,\n", schema=TYPED)
    values = [json.loads(record) for record in encoded.records]
    assert [(v["id"], v["price"], v["sold"], v["note"]) for v in values] == [(1, 2.5, True, "7"), (-2, None, None, "")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"x,1,true", "column 'id': 'x' is not a valid integer"),
        (b",1,true", "column 'id' is empty and required"),
        (b"1,1e,true", "column 'price': '1e' is not a valid number"),
        (b"1,inf,true", "column 'price': 'inf' is not a valid number"),
        (b"1,1,maybe", "column 'sold': 'maybe' is not a valid boolean"),
        (b"1,1e400,true", "column 'price': '1e400' is not a valid number"),
        (b"1,1_000,true", "column 'price': '1_000' is not a valid number"),
        (b"1,0x1,true", "column 'price': '0x1' is not a valid number"),
        (b"1, 1,true", "column 'price': ' 1' is not a valid number"),
        (b"1,.,true", "column 'price': '.' is not a valid number"),
        (b"1,+,true", "column 'price': '+' is not a valid number"),
        ("1,٣,true".encode(), "column 'price': '٣' is not a valid number"),
        (b"1.0,1,true", "column 'id': '1.0' is not a valid integer"),
        (b"1e5,1,true", "column 'id': '1e5' is not a valid integer"),
        ("٣,1,true".encode(), "column 'id': '٣' is not a valid integer"),
    ],
)
def test_row_that_violates_the_schema_becomes_a_dead_letter_with_its_reason(row: bytes, reason: str) -> None:
    encoded = encode(b"id,price,sold\n1,1,no\n" + row + b"\n3,3,no\n", schema=TYPED)
    assert list(encoded.lines) == [1, 3]
    assert [(letter.line, letter.text, letter.reason) for letter in encoded.dead] == [(2, row.decode(), reason)]


NUMBERS = {
    "12345678901234567.89": "12345678901234567.89",
    "9007199254740993": "9007199254740993",
    "0.1000000000000000055511151231257827": "0.1000000000000000055511151231257827",
    "1.50": "1.50",
    "-0": "-0",
    "-0.0": "-0.0",
    "1E5": "1E5",
    "1e+05": "1e+05",
    "1e-400": "1e-400",
    "+1": "1",
    "007.50": "7.50",
    "-00": "-0",
    "-.5": "-0.5",
    "+.5e3": "0.5e3",
    "5.": "5",
    "5.e3": "5e3",
    "000": "0",
}
INTEGERS = {
    "9223372036854775808": "9223372036854775808",
    "-99999999999999999999999999999999999999999": "-99999999999999999999999999999999999999999",
    "9" * 500: "9" * 500,
    "9007199254740993": "9007199254740993",
    "+7": "7",
    "007": "7",
    "-007": "-7",
    "000": "0",
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("kind", "text", "sent"),
    [("number", *each) for each in NUMBERS.items()] + [("integer", *each) for each in INTEGERS.items()],
)
def test_number_keeps_its_digits_whatever_its_block(
    kind: Literal["number", "integer"], text: str, sent: str, alone: bool
) -> None:
    schema = Schema(columns=(ColumnSchema(column="n", type=kind),))
    others = "" if alone else "1,x\n+2,x\n,x\n003,x\n"
    encoded = encode(f"n,note\n{text},x\n{others}".encode(), schema=schema)
    first = next(iter(encoded.records))
    assert first == f'{{"n":{sent},"note":"x","_source_line":1,"_source_file":"a.csv"}}'.encode()
    json.loads(first, parse_int=str)


def test_marks_of_numbers_differ_from_any_text() -> None:
    texts = ["\\u0000", "\\u0000\\u0000", '"\\u0000', '\\u0000\\u0000"', "u0000"]
    quoted = "".join('1,"{}"\n'.format(text.replace('"', '""')) for text in texts)
    encoded = encode(f"n,note\n{quoted}".encode(), schema=Schema(columns=(ColumnSchema(column="n", type="number"),)))
    assert [json.loads(record)["note"] for record in encoded.records] == texts


def test_record_too_large_for_kafka_becomes_a_dead_letter() -> None:
    encoded = encode(b"a\n1\n" + b"x" * 500 + b"\n3\n", max_record_bytes=300)
    assert list(encoded.lines) == [1, 3]
    assert "MAX_RECORD_BYTES=300" in encoded.dead[0].reason


@pytest.mark.parametrize("bad", [b"x\n", b"x,1,yes\n"], ids=["ragged", "against the schema"])
def test_rows_of_a_block_are_found_once_however_many_are_bad(bad: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = []

    def bounds_of(block: RowBlock, dialect: Dialect) -> list[int]:
        scans.append(block)
        return row_bounds(block, dialect)

    monkeypatch.setattr("sequencer.encoding.record_encoder.row_bounds", bounds_of)
    encoded = encode(b"id,price,sold\n" + b"1,1,no\n" * 50 + bad * 50 + b"9,9,yes\n", schema=TYPED)
    assert len(encoded.dead) == 50
    assert {letter.text for letter in encoded.dead} == {bad.decode().strip()}
    assert list(encoded.lines) == [*range(1, 51), 101]
    assert len(scans) == 1


def test_first_bad_row_stops_the_job_whatever_its_fault() -> None:
    content = b"id,price,sold\n1,1,no\n2,x,no\n3\n4\n"
    with pytest.raises(BadRowError, match="row 2, byte 21: column 'price': 'x' is not a valid number; with ON_BAD_ROW"):
        encode(content, schema=TYPED, on_bad_row="stop")


def test_missing_column_of_the_schema_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="no column 'sold'"):
        encode(b"id,price\n1,2\n", schema=TYPED)


@pytest.mark.parametrize(
    ("columns", "text"),
    [(["a", "b", "a"], "columns 1 and 3: the name 'a' occurs twice"), (["_source_line"], "column 1: .*is reserved")],
)
def test_duplicate_and_reserved_names_are_refused(columns: list[str], text: str) -> None:
    with pytest.raises(BadRowError, match=text):
        check_columns(columns)


def test_dead_letter_of_a_huge_row_fits_into_a_kafka_record() -> None:
    (letter,) = encode(b"a,b\n" + b"x" * 3_000_000 + b"\n").dead
    assert letter.reason == "1 field instead of 2"
    assert len(dead_letter_json(letter, job_id="job", etag="e")) < MAX_RECORD_BYTES


def test_unterminated_quote_is_reported_before_it_uses_up_the_memory() -> None:
    finder = HeaderFinder()
    header = finder.feed(b"a,b\n") or finder.finish()
    start = SourcePosition(0, 0, 4)
    rows = RowBlockReader(header=header, source_file="a.csv", start=start, encoding="utf-8", max_row_bytes=10_000_000)
    pieces = (piece for piece in [b'1,2\n3,"', *[b"4,5\n" * 500_000] * 20])
    with pytest.raises(BadRowError) as raised:
        list(rows.read(pieces))
    assert raised.value.extra == {"row": 2, "byte": 8}
    assert next(pieces), "the rest was not read"


def test_dead_letter_has_its_job_and_reason() -> None:
    assert json.loads(dead_letter_json(DeadLetter(7, "a.csv", "1,é", "why"), job_id="job", etag="e")) == {
        "job_id": "job",
        "_source_line": 7,
        "_source_file": "a.csv",
        "etag": "e",
        "reason": "why",
        "row": "1,é",
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"1,2\n3,\x00\n", "row 2, byte 10: expected text, found a NUL byte"),
        (b"1,2\n3,\xff\n", "row 2, byte 10: expected text in utf-8.*--encoding"),
        (b'1,2\n3,"4\n', "row 2, byte 10: expected a closing quote"),
    ],
)
def test_invalid_csv_is_reported_with_row_and_byte(body: bytes, text: str) -> None:
    with pytest.raises(BadRowError, match=f"a.csv: {text}"):
        encode(b"a,b\n" + body)
