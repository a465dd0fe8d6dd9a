"""What each reader misreads with its defaults. Tests hold the claims on readers from PyPI; the others have a source.

The sources are listed in ``docs/how-to/check.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from csvpipe.check.report import Finding, Reader
from csvscan import FileFacts

DUCKDB_LINE_BYTES = 2_000_000
"""Default of DuckDB's ``max_line_size``."""
_DETECTED_BY_DUCKDB = b",;\t|"
_Effect = tuple[str, str]
"""What the reader does, and what to do about it."""


@dataclass(frozen=True)
class Rule:
    """Something unusual in a file, and its effects on readers.

    Attributes:
        name: stable.
        count: returns how often a file has it.
        effects: the readers that misread it.
    """

    name: str
    count: Callable[[FileFacts], int]
    effects: Mapping[Reader, _Effect]


def find_misreadings(facts: FileFacts, readers: Iterable[Reader]) -> Iterator[Finding]:
    """Yield what each of ``readers`` will misread in a file."""
    counts = {rule.name: rule.count(facts) for rule in RULES}
    for reader in readers:
        for rule in RULES:
            if counts[rule.name] and reader in rule.effects:
                effect, remedy = rule.effects[reader]
                yield Finding(reader=reader, rule=rule.name, count=counts[rule.name], effect=effect, remedy=remedy)


def _kinds_of_line_ends(facts: FileFacts) -> int:
    traits = facts.traits
    return sum(number > 0 for number in (traits.lf, traits.crlf, traits.cr - traits.cr_before_crlf))


def _other_delimiter(facts: FileFacts) -> int:
    return int(facts.header is not None and facts.header.dialect.delimiter != b",")


def _undetected_delimiter(facts: FileFacts) -> int:
    return int(facts.header is not None and facts.header.dialect.delimiter not in _DETECTED_BY_DUCKDB)


def _repeated(names: list[str]) -> int:
    return len(names) - len(set(names))


def _blank_lines(facts: FileFacts) -> int:
    """Return the number of blank lines, without those that a CR before CRLF makes."""
    return facts.traits.blank_lines - facts.traits.cr_before_crlf


_ONE_LINE_END = "write all line ends as LF or CRLF"
_SKIP_SEP_LINE = "remove the line, or skip it"

RULES = (
    Rule(
        "newlines_in_quotes",
        lambda facts: facts.traits.newlines_in_quotes,
        {
            Reader.SPARK: ("ends the row at a line end within quotes", "option multiLine=true"),
            Reader.TRINO: ("ends the row at a line end within quotes", "convert the file to Parquet first"),
            Reader.BIGQUERY: ("rejects line ends within quotes", "allow_quoted_newlines=true"),
        },
    ),
    Rule(
        "quotes",
        lambda facts: facts.traits.quotes,
        {Reader.SNOWFLAKE: ("reads quotes as part of the text", "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'")},
    ),
    Rule(
        "doubled_quotes",
        lambda facts: facts.traits.doubled_quotes,
        {Reader.SPARK: ("does not read a doubled quote as one quote", "option escape='\"'")},
    ),
    Rule(
        "backslashes_before_quotes",
        lambda facts: facts.traits.backslashes_before_quotes,
        {
            Reader.SPARK: ("reads the quote as part of the text", "option escape='\"'"),
            Reader.TRINO: ("reads the quote as part of the text", "set csv_escape to an unused character"),
        },
    ),
    Rule(
        "backslashes",
        lambda facts: facts.traits.backslashes,
        {Reader.SNOWFLAKE: ("reads backslashes in unquoted fields as escapes", "ESCAPE_UNENCLOSED_FIELD = NONE")},
    ),
    Rule(
        "quotes_in_text",
        lambda facts: facts.traits.quotes_in_text,
        {Reader.POLARS: ("rejects quotes in unquoted fields", "quote_char=None if no field is quoted")},
    ),
    Rule(
        "text_after_quotes",
        lambda facts: facts.traits.text_after_quotes,
        {
            Reader.DUCKDB: ("keeps the quotes of such a field", "quote the whole field"),
            Reader.POLARS: ("rejects text after a closing quote", "quote the whole field"),
        },
    ),
    Rule(
        "cr_before_crlf",
        lambda facts: facts.traits.cr_before_crlf,
        {
            Reader.DUCKDB: ("rejects the file, or reads rows twice", _ONE_LINE_END),
            Reader.POLARS: ("keeps a CR in the last column", _ONE_LINE_END),
        },
    ),
    Rule(
        "mixed_line_ends",
        lambda facts: int(_kinds_of_line_ends(facts) > 1),
        {Reader.DUCKDB: ("rejects the file", _ONE_LINE_END)},
    ),
    Rule(
        "cr_line_ends",
        lambda facts: facts.traits.cr - facts.traits.cr_before_crlf,
        {
            Reader.POLARS: ("does not end rows at a single CR", _ONE_LINE_END),
            Reader.SNOWFLAKE: ("does not end rows at a single CR", "RECORD_DELIMITER = '\\r'"),
        },
    ),
    Rule(
        "blank_lines",
        _blank_lines,
        {
            Reader.POLARS: ("reads each as a row of nulls", "remove the lines"),
            Reader.SNOWFLAKE: ("reads each as a row with too few fields", "SKIP_BLANK_LINES = TRUE"),
        },
    ),
    Rule(
        "ragged_rows",
        lambda facts: facts.ragged_rows,
        {
            Reader.DUCKDB: ("takes another delimiter, or rejects the file", "correct the rows"),
            Reader.SPARK: ("fills with null or drops surplus fields, silently", "option mode=FAILFAST"),
            Reader.SNOWFLAKE: ("rejects the row", "ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE"),
            Reader.BIGQUERY: ("rejects the row", "allow_jagged_rows (missing), ignore_unknown_values (surplus)"),
            Reader.PANDAS: ("rejects surplus fields, fills missing ones, or moves the columns", "correct the rows"),
            Reader.POLARS: ("rejects surplus fields, fills missing ones with null", "correct the rows"),
            Reader.PYARROW: ("rejects the row", "correct the rows"),
        },
    ),
    Rule(
        "long_rows",
        lambda facts: int(facts.longest_row_bytes > DUCKDB_LINE_BYTES),
        {Reader.DUCKDB: ("rejects rows longer than 2,000,000 bytes", "raise max_line_size")},
    ),
    Rule(
        "byte_order_mark",
        lambda facts: int(facts.header is not None and facts.header.has_bom),
        {Reader.BIGQUERY: ("may read it as part of the first name", "remove the mark")},
    ),
    Rule(
        "sep_line",
        lambda facts: int(facts.header is not None and facts.header.has_sep_line),
        dict.fromkeys(Reader, ("reads the line sep= as the header", _SKIP_SEP_LINE)),
    ),
    Rule(
        "delimiter",
        _other_delimiter,
        {
            Reader.SPARK: ("reads one column", "option sep"),
            Reader.TRINO: ("reads one column", "csv_separator"),
            Reader.SNOWFLAKE: ("reads one column", "FIELD_DELIMITER"),
            Reader.BIGQUERY: ("reads one column", "field_delimiter"),
            Reader.PANDAS: ("reads one column", "sep"),
            Reader.POLARS: ("reads one column", "separator"),
            Reader.PYARROW: ("reads one column", "ParseOptions(delimiter=...)"),
        },
    ),
    Rule(
        "undetected_delimiter",
        _undetected_delimiter,
        {Reader.DUCKDB: ("does not detect this delimiter", "delim")},
    ),
    Rule(
        "encoding",
        lambda facts: int(facts.encoding not in ("", "utf-8")),
        {
            Reader.DUCKDB: ("rejects bytes that are not UTF-8", "encoding"),
            Reader.SPARK: ("replaces bytes that are not UTF-8, silently", "option encoding"),
            Reader.SNOWFLAKE: ("rejects bytes that are not UTF-8", "ENCODING"),
            Reader.BIGQUERY: ("does not read it as UTF-8", "encoding"),
            Reader.PANDAS: ("rejects bytes that are not UTF-8", "encoding"),
            Reader.POLARS: ("rejects bytes that are not UTF-8", "encoding"),
            Reader.PYARROW: ("reads columns that are not UTF-8 as binary, or rejects them", "encoding"),
        },
    ),
    Rule(
        "names_that_differ_in_case",
        lambda facts: _repeated([name.lower() for name in facts.names]) - _repeated(facts.names),
        {
            Reader.DUCKDB: ("renames the later column", "rename the columns"),
            Reader.SPARK: ("cannot tell the columns apart", "spark.sql.caseSensitive=true"),
            Reader.TRINO: ("has lower-case names only", "rename the columns"),
            Reader.SNOWFLAKE: ("has one case for names without quotes", "quote the names"),
            Reader.BIGQUERY: ("does not accept both names", "rename the columns"),
        },
    ),
    Rule(
        "equal_names",
        lambda facts: _repeated(facts.names),
        {
            Reader.DUCKDB: ("renames the later column", "rename the columns"),
            Reader.PANDAS: ("renames the later column", "rename the columns"),
            Reader.POLARS: ("renames the later column", "rename the columns"),
            Reader.BIGQUERY: ("does not accept both names", "rename the columns"),
        },
    ),
    Rule(
        "empty_names",
        lambda facts: sum(not name for name in facts.names),
        {
            Reader.DUCKDB: ("makes a name up", "name the column"),
            Reader.PANDAS: ("makes a name up", "name the column"),
        },
    ),
)
