"""Any CSV, however it comes in: the records are the rows that Python's ``csv`` reads, in order, each once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from hypothesis import assume, example, given
from hypothesis import strategies as st

from csvscan import Dialect, HeaderFinder
from sequencer.encoding.record_encoder import RecordEncoder
from sequencer.kafka.partition_reader import parse
from sequencer.model.blocks import RowBlock
from sequencer.model.schema import Schema
from sequencer.model.source_position import START, SourcePosition
from sequencer.source.row_block_reader import RowBlockReader
from sequencer.verify.line_check import lines_of

TEXTS = st.text(alphabet=st.sampled_from(list('ab1 ,;"\n\r\té€\u2028\\\x01{}')), max_size=6)
PLAIN = st.text(alphabet=st.sampled_from(list("ab1.-é")), max_size=6)


def blocks_of(
    content: bytes, sizes: Sequence[int], *, block_bytes: int, delimiter: str = ","
) -> tuple[list[str], list[RowBlock]]:
    finder = HeaderFinder(delimiter=delimiter.encode())
    header = finder.feed(content) or finder.finish()
    start = SourcePosition(0, 0, len(header.prefix))
    rows = RowBlockReader(header=header, source_file="f", start=start, encoding="utf-8", block_bytes=block_bytes)
    pieces, position, turn = [], len(header.prefix), 0
    while position < len(content):
        pieces.append(content[position : position + sizes[turn % len(sizes)]])
        position += sizes[turn % len(sizes)]
        turn += 1
    return [field.decode() for field in header.fields], list(rows.read(pieces))


def encoder_for(columns: Sequence[str], delimiter: str = ",", **given: object) -> RecordEncoder:
    options = {"schema": Schema(), "on_bad_row": "stop", "encoding": "utf-8", **given}
    return RecordEncoder(columns=columns, dialect=Dialect(delimiter.encode()), **options)  # type: ignore[arg-type]


def read_by_python(content: bytes, delimiter: str) -> list[list[str]]:
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [row for row in csv.reader(text, delimiter=delimiter) if row]


@given(
    rows=st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    final_end=st.booleans(),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    block_bytes=st.integers(1, 64),
)
def test_records_are_what_python_reads(
    rows: list[list[str]],
    delimiter: str,
    line_end: str,
    quoting: Literal[0, 1],
    final_end: bool,
    sizes: list[int],
    block_bytes: int,
) -> None:
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows([["x", "y"], *rows])
    content = target.getvalue().encode()
    if not final_end and rows:
        content = content.removesuffix(line_end.encode())
    assume(all(len(row) == 2 for row in read_by_python(content, delimiter)))  # csv.writer does not quote each line end
    _check(content, delimiter, sizes, block_bytes)


@given(
    body=st.lists(
        st.sampled_from(
            ["a,b", 'a,"b"', '"a",b', 'a,5" pipe', '"a"x,b', '"",""', ",", '"a\nb",c', '"a""b",c', "", 'a,"']
        ),
        max_size=8,
    ),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=8, max_size=8),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    block_bytes=st.integers(1, 40),
)
@example(body=['a,5" pipe', 'b,"q"'], ends=["\n"] * 8, sizes=[7], block_bytes=9)
def test_wild_quotes_and_line_ends_are_read_as_python_reads_them(
    body: list[str], ends: list[str], sizes: list[int], block_bytes: int
) -> None:
    content = ("x,y\n" + "".join(line + end for line, end in zip(body, ends, strict=False))).encode()
    assume(read_by_python(content + b"\nend,\n", ",")[-1] == ["end", ""])  # no open quote: that is another test
    assume(all(len(row) == 2 for row in read_by_python(content, ",")))
    _check(content, ",", sizes, block_bytes)


def _check(content: bytes, delimiter: str, sizes: list[int], block_bytes: int) -> None:
    columns, blocks = blocks_of(content, sizes, block_bytes=block_bytes, delimiter=delimiter)
    encoder = encoder_for(columns, delimiter)
    records = [json.loads(record) for block in blocks for record in encoder.encode(block).records]
    expected = [
        {**dict(zip(columns, row, strict=True)), "_source_line": line, "_source_file": "f"}
        for line, row in enumerate(read_by_python(content, delimiter)[1:], start=1)
    ]
    assert records == expected
    assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    body = b"".join(block.data for block in blocks)
    assert content.endswith(body)


@given(rows=st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=20), data=st.data())
def test_any_part_of_a_block_has_the_lines_of_that_part(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    content = ("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows)).encode()
    columns, blocks = blocks_of(content, [10_000], block_bytes=10_000)
    skip = data.draw(st.integers(0, len(rows)))
    take = data.draw(st.none() | st.integers(0, len(rows)))
    (block,) = blocks
    encoded = encoder_for(columns).encode(block, skip=skip, take=take)
    lines = [json.loads(record)["_source_line"] for record in encoded.records]
    last = len(rows) if take is None else min(len(rows), skip + take)
    assert lines == list(encoded.lines) == list(range(skip + 1, last + 1))
    assert encoded.end == (block.end if last == len(rows) else None)
    assert block.start.line == START.line


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**18 - 1),
            st.sampled_from(["a.csv", "b.csv", 'q"\\.csv', "größe.csv", ""]),
            st.sampled_from(["", '"x":"', '"_source_line":7,', "{", '{"y":"1",']),
            st.sampled_from(["", "", "", "}", " ", "x"]),
        ),
        max_size=8,
    )
)
def test_lines_found_all_at_once_are_those_found_one_by_one(given: list[tuple[int, str, str, str]]) -> None:
    values = [
        f'{before}"_source_line":{line},"_source_file":{json.dumps(name, ensure_ascii=False)}}}{behind}'.encode()
        for line, name, before, behind in given
    ]
    values += [b"", b"}", b"1" * 30]
    one_by_one = [parse(0, value).line for value in values]
    assert lines_of(values).tolist() == [-1 if line is None else line for line in one_by_one]
    assert lines_of(values[::-1]).tolist() == [-1 if line is None else line for line in one_by_one[::-1]]
