"""Every claim about a reader that can be had from PyPI, tried on that reader."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from pyarrow import csv as arrow_csv

from csvpipe.check.reader_rules import DUCKDB_LINE_BYTES, RULES, find_misreadings
from csvpipe.check.report import Reader
from csvscan import ContentCheck, FileFacts, Strictness

Table = tuple[list[str], list[tuple[object, ...]]]
"""Names of the columns, and the rows."""


def read_with_duckdb(path: Path) -> Table:
    found = duckdb.read_csv(str(path))
    return found.columns, found.fetchall()


def read_with_pandas(path: Path) -> Table:
    found = pd.read_csv(path)
    return [str(name) for name in found.columns], [tuple(row) for row in found.astype(object).values.tolist()]


def read_with_polars(path: Path) -> Table:
    found = pl.read_csv(path)
    return found.columns, found.rows()


def read_with_pyarrow(path: Path) -> Table:
    found = arrow_csv.read_csv(path)
    return found.column_names, list(zip(*(column.to_pylist() for column in found.columns), strict=True))


TRIED: dict[Reader, Callable[[Path], Table]] = {
    Reader.DUCKDB: read_with_duckdb,
    Reader.PANDAS: read_with_pandas,
    Reader.POLARS: read_with_polars,
    Reader.PYARROW: read_with_pyarrow,
}
EXAMPLES: dict[str, bytes] = {
    "newlines_in_quotes": b'a,b\n1,"x\ny"\n2,z\n',
    "quotes": b'a,b\n1,"x,y"\n2,z\n',
    "doubled_quotes": b'a,b\n1,"x ""y"" z"\n2,z\n',
    "backslashes_before_quotes": b'a,b\n1,"x\\"\n2,"y\\"\n',
    "backslashes": b"a,b\n1,x\\y\n2,z\n",
    "quotes_in_text": b'a,b\n1,5" pipe\n2,z\n',
    "text_after_quotes": b'a,b\n1,"x"y\n2,z\n',
    "cr_before_crlf": b"a,b\r\r\n1,x\r\r\n2,y\r\r\n",
    "mixed_line_ends": b"a,b\n1,x\r\n2,y\n3,z\r\n",
    "cr_line_ends": b"a,b\r1,x\r2,y\r",
    "blank_lines": b"a,b\n1,x\n\n2,y\n",
    "ragged_rows": b"a,b\n1,x,q\n2,y\n",
    "long_rows": b"a,b\n1," + b"x" * DUCKDB_LINE_BYTES + b"\n2,y\n",
    "byte_order_mark": b"\xef\xbb\xbfa,b\n1,x\n",
    "sep_line": b"sep=,\na,b\n1,x\n",
    "delimiter": b"a;b\n1;x\n",
    "undetected_delimiter": b"a^b\n1^x\n2^y\n",
    "encoding": "a,b\n1,é\n".encode("latin-1"),
    "names_that_differ_in_case": b"a,A\n1,x\n",
    "equal_names": b"a,a\n1,x\n",
    "empty_names": b"a,,c\n1,x,y\n",
}
PLAIN = b"a,b\n1,x\n2,y\n"


def facts_of(content: bytes) -> FileFacts:
    delimiter = b"^" if b"^" in content else None
    check = ContentCheck(delimiter=delimiter, encoding=None, strictness=Strictness.STRICT, most_faults=1)
    check.feed(content)
    return check.finish()


def rules_for(reader: Reader, content: bytes) -> set[str]:
    return {finding.rule for finding in find_misreadings(facts_of(content), [reader])}


def reads_as_python_does(reader: Reader, content: bytes, directory: Path) -> bool:
    """Return whether ``reader`` finds the names and fields that Python's ``csv`` finds; numbers may become numbers."""
    path = directory / "content.csv"
    path.write_bytes(content)
    facts = facts_of(content)
    prefix = b"" if facts.header is None else facts.header.prefix[: facts.header.record_start]
    text = content.removeprefix(prefix).decode("latin-1" if facts.encoding == "unknown-8bit" else "utf-8")
    delimiter = "," if facts.header is None else facts.header.dialect.delimiter.decode()
    csv.field_size_limit(1 << 30)
    names, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    try:
        with warnings.catch_warnings(action="ignore"):
            found_names, found_rows = TRIED[reader](path)
    except (duckdb.Error, pl.exceptions.PolarsError, ValueError):
        return False
    return (names, rows) == (found_names, [[str(cell) for cell in row] for row in found_rows])


def test_every_rule_has_an_example_with_which_it_applies() -> None:
    assert set(EXAMPLES) == {rule.name for rule in RULES}
    for rule in RULES:
        assert rule.count(facts_of(EXAMPLES[rule.name])) > 0, rule.name


@pytest.mark.parametrize(
    ("reader", "rule"), [(reader, rule.name) for rule in RULES for reader in rule.effects if reader in TRIED]
)
def test_reader_misreads_what_a_rule_says_it_misreads(reader: Reader, rule: str, tmp_path: Path) -> None:
    assert rule in rules_for(reader, EXAMPLES[rule])
    assert not reads_as_python_does(reader, EXAMPLES[rule], tmp_path)


@pytest.mark.parametrize("reader", TRIED)
@pytest.mark.parametrize("example", EXAMPLES)
def test_reader_without_a_finding_reads_the_file_right(reader: Reader, example: str, tmp_path: Path) -> None:
    is_named = bool(rules_for(reader, EXAMPLES[example]))
    assert reads_as_python_does(reader, EXAMPLES[example], tmp_path) is not is_named


@pytest.mark.parametrize("reader", Reader)
def test_plain_file_has_no_findings(reader: Reader, tmp_path: Path) -> None:
    assert rules_for(reader, PLAIN) == set()
    assert reader not in TRIED or reads_as_python_does(reader, PLAIN, tmp_path)
