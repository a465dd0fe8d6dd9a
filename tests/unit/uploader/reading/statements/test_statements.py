"""Statements for other programs. Those of DuckDB and Polars are run in ``tests/integration/test_readers.py``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import expressions

from contracts.names import chunk_filename, object_key, object_url
from contracts.reading import Reader
from contracts.states import UploadState
from csvscan import Strictness
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.reading.statements.file_start import FileStart
from uploader.reading.statements.readers import readers_of
from uploader.reading.statements.upload_source import UNKNOWN_ENDPOINT, UploadSource, distinct_names
from uploader.settings import Settings

STAMP = "20260131T235959123456Z"
SECRET = "this-is-the-secret-of-the-uploader"
CUSTOMER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def source_of(*, settings: dict[str, Any] | None = None, **changes: Any) -> UploadSource:
    """Return a source of three chunks on MinIO."""
    upload, chunks = upload_records(at=SettableClock().now)
    given = {"s3_endpoint": "http://minio:9000", **(settings or {})}
    start = FileStart.of(b"id,name\n", delimiter=",")
    assert start is not None
    source = UploadSource.of(upload, chunks[0], start=start, settings=Settings(_env_file=None, **given))
    return replace(source, **{"dataset": "people", "stamp": STAMP, "is_landed": True, **changes})


def reader_of(source: UploadSource, name: str) -> Reader:
    return next(reader for reader in readers_of(source).readers if reader.name == name)


def url_of(number: int, *, dataset: str = "people", stamp: str = STAMP) -> str:
    return object_url("raw", object_key(dataset, chunk_filename(dataset, number, stamp)))


def urls_in_duckdb(source: UploadSource) -> list[str]:
    statement = reader_of(source, "DuckDB").statement
    paths = statement.partition("read_csv(\n")[2].partition(",\n    auto_detect")[0]
    found = duckdb.execute(f"SELECT {paths}").fetchone()
    assert found is not None
    return [found[0]] if isinstance(found[0], str) else found[0]


def urls_in_python(source: UploadSource, name: str) -> list[str]:
    statement = reader_of(source, name).statement
    [line] = [line.strip() for line in statement.splitlines() if "://raw/" in line]
    found: list[str] = eval(line.removeprefix(".csv").strip(",").strip("()"))
    return [url.replace("s3a://", "s3://") for url in found]


@pytest.mark.parametrize("objects", [1, 2, 999, 1_001])
def test_every_object_is_named_and_no_other(objects: int) -> None:
    source = source_of(objects=objects)
    expected = [url_of(number) for number in range(1, objects + 1)]
    assert urls_in_duckdb(source) == expected
    assert urls_in_python(source, "Polars") == expected
    assert urls_in_python(source, "Spark") == expected


def test_trino_reads_the_objects_of_this_upload_alone() -> None:
    statement = reader_of(source_of(dataset="a_b"), "Trino").statement
    create, select = sqlglot.parse(statement, read="trino")
    assert isinstance(create, expressions.Create)
    assert isinstance(select, expressions.Select)
    condition = statement.partition("WHERE ")[2].rstrip(";")
    urls = {
        url_of(1, dataset="a_b"): True,
        url_of(1_000, dataset="a_b").replace("s3://", "s3a://"): True,
        url_of(1, dataset="a_b", stamp=STAMP.replace("6Z", "7Z")): False,
        url_of(1, dataset="a_b").replace("a_b_chunk", "axb_chunk"): False,
        url_of(1, dataset="a_b").replace("/a_b/", "/x/"): False,
    }
    for url, is_read in urls.items():
        query = f"""SELECT {condition} FROM (SELECT '{url}' AS "$path")"""
        assert duckdb.execute(query).fetchone() == (is_read,), url


def test_trino_has_a_column_of_text_for_each_name_in_lower_case() -> None:
    headers = ['a "quoted" name', "ID", "id", "", "it's"]
    create = sqlglot.parse(reader_of(source_of(headers=headers), "Trino").statement, read="trino")[0]
    assert create is not None
    columns = [column.name for column in create.find_all(expressions.ColumnDef)]
    assert columns == ['a "quoted" name', "id", "id_2", "column_4", "it's"]


HOSTILE = [
    '"); DROP TABLE x; --',
    "'}); COPY (SELECT 1) TO '/tmp/stolen'; --",
    "a'b''c\\'",
    "line\nends\r\n.shell id",
    "*/ /* -- $$ ${x} %s {0}",
    "\x1b[31m\u202e\u2028",
    "''' \"\"\"",
]
"""Names of columns that would end a text, a name, a comment or a format."""


@pytest.mark.parametrize("headers", [*([name] for name in HOSTILE), HOSTILE])
def test_hostile_names_of_columns_stay_names(headers: list[str]) -> None:
    source = source_of(headers=headers)
    duckdb_sql = reader_of(source, "DuckDB").statement
    assert len(duckdb.extract_statements(duckdb_sql)) == 2  # the secret and the query
    columns = duckdb.execute(f"SELECT {duckdb_sql.partition('columns = ')[2].rpartition(chr(10))[0]}").fetchone()
    assert columns is not None
    assert list(columns[0]) == headers
    create, _ = sqlglot.parse(reader_of(source, "Trino").statement, read="trino")
    assert create is not None
    assert [column.name for column in create.find_all(expressions.ColumnDef)] == [name.lower() for name in headers]
    harmless = source_of(headers=["id"] * len(headers))
    for program in ("Polars", "Spark"):
        assert reader_of(source, program).statement == reader_of(harmless, program).statement


@pytest.mark.parametrize("delimiter", [*",;|'\\ ^", "\t", "\x01"])
def test_statements_are_valid_with_any_delimiter(delimiter: str) -> None:
    source = source_of(delimiter=delimiter)
    for reader in readers_of(source).readers:
        if reader.language == "python":
            compile(reader.statement, reader.name, "exec")
    assert len(sqlglot.parse(reader_of(source, "Trino").statement.replace("U&", ""), read="trino")) == 2


@pytest.mark.parametrize("is_utf8", [True, False])
def test_no_secret_of_the_uploader_is_shown(is_utf8: bool) -> None:
    settings = {
        "s3_endpoint": "https://minio:9000",
        "aws_access_key_id": "the-access-key",
        "aws_secret_access_key": SECRET,
        "s3_encryption": "sse-c",
        "s3_sse_c_key": CUSTOMER_KEY,
    }
    shown = readers_of(source_of(settings=settings, encoding="utf-8" if is_utf8 else "cp1252")).model_dump_json()
    assert not [each for each in ("the-access-key", SECRET, CUSTOMER_KEY) if each in shown]
    assert "ACCESS_KEY" in shown


def test_address_of_the_store_is_that_of_the_uploader() -> None:
    shown = readers_of(source_of()).model_dump_json()
    assert "minio:9000" in shown
    amazon = readers_of(source_of(settings={"s3_endpoint": "https://s3.eu-west-1.amazonaws.com"})).model_dump_json()
    assert "amazonaws.com" not in amazon
    unknown = readers_of(source_of(settings={"s3_endpoint": None}))
    assert UNKNOWN_ENDPOINT in unknown.model_dump_json()
    assert "S3_ENDPOINT" in unknown.notes[0]


@pytest.mark.parametrize("host", ["minio.openhouse.svc.cluster.local:9000", "minio.openhouse.svc"])
def test_address_of_a_cluster_is_noted_with_the_setting_for_readers(host: str) -> None:
    inside = {"s3_endpoint": f"https://{host}"}
    [note] = readers_of(source_of(settings=inside)).notes
    assert host in note
    assert "S3_PUBLIC_ENDPOINT" in note
    outside = {**inside, "s3_public_endpoint": "https://svc.example.com"}
    assert readers_of(source_of(settings=outside)).notes == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"is_landed": False}, "has not landed"),
        ({"encoding": None}, "Latin-1"),
        ({"start": FileStart.assumed(["a"])}, "could not look"),
    ],
)
def test_what_holds_for_every_program_is_said_once(changes: dict[str, Any], part: str) -> None:
    assert readers_of(source_of()).notes == []
    [note] = readers_of(source_of(**changes)).notes
    assert part in note


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"headers": ["a", "A"]}, {"DuckDB", "Spark", "Trino"}),
        ({"headers": ["a", "a"]}, {"DuckDB", "Polars", "Spark", "Trino"}),
        ({"headers": ["Id"]}, {"Trino"}),
        ({"is_ragged": True}, {"DuckDB", "Polars", "Spark", "Trino"}),
        ({"encoding": "cp1252"}, {"Trino"}),
        ({"encoding": "big5"}, {"DuckDB", "Trino"}),
        ({"encoding": "mac-roman"}, {"DuckDB", "Spark", "Trino"}),
        ({"has_customer_key": True}, {"DuckDB", "Trino"}),
        ({"start": FileStart.of(b"sep=,\nid,name\n", delimiter=",")}, {"Spark"}),
    ],
)
def test_what_a_program_misreads_is_said(changes: dict[str, Any], names: set[str]) -> None:
    usual = {reader.name: reader.notes for reader in readers_of(source_of()).readers}
    found = readers_of(source_of(**changes)).readers
    assert {reader.name for reader in found if len(reader.notes) > len(usual[reader.name])} == names


def test_duckdb_is_told_its_own_name_of_an_encoding() -> None:
    statement = reader_of(source_of(encoding="iso8859-15"), "DuckDB").statement
    assert "encoding = 'ISO_8859_15'" in statement
    assert "LOAD encodings;" in statement
    assert "LOAD" not in reader_of(source_of(encoding="iso8859-1"), "DuckDB").statement
    assert "encoding" not in reader_of(source_of(), "DuckDB").statement


def test_upload_is_described_as_it_was_sent() -> None:
    upload, chunks = upload_records(at=SettableClock().now)
    start = FileStart.assumed(upload.headers)

    def source(**changes: Any) -> UploadSource:
        return UploadSource.of(replace(upload, **changes), chunks[0], start=start, settings=Settings(_env_file=None))

    assert (source().stamp, source().is_landed, source().is_ragged) == ("stamp", False, False)
    assert source(requested={"strict": Strictness.OFF.value}).is_ragged
    assert source(state=UploadState.LANDED).is_landed
    assert source(encoding="unknown-8bit").text_encoding == "iso8859-1"


@pytest.mark.parametrize(
    ("prefix", "lines", "before", "line_end"),
    [
        (b"a,b\n", 1, 0, "\n"),
        (b"a,b\r\n", 1, 0, "\r\n"),
        (b"a,b\r", 1, 0, "\r"),
        (b"a,b", 0, 0, None),
        (b"\xef\xbb\xbfa,b\n", 1, 0, "\n"),
        (b"sep=,\r\na,b\r\n", 2, 1, "\r\n"),
        (b"\r\n\na,b\n", 3, 2, "\n"),
        (b'"a\r\nx",b\n', 2, 0, "\n"),
    ],
)
def test_lines_before_the_first_row_are_counted(prefix: bytes, lines: int, before: int, line_end: str | None) -> None:
    found = FileStart.of(prefix, delimiter=",")
    assert found == FileStart(lines=lines, lines_before_header=before, line_end=line_end, is_known=True)


def test_start_that_is_no_csv_is_unknown() -> None:
    assert FileStart.of(b'"a', delimiter=",") is None
    assert FileStart.assumed(["a\r\nx", "b"]).lines == 2


def test_names_are_made_distinct() -> None:
    assert distinct_names(["a", "A", "a_2", "", "column_4"]) == ["a", "A_2", "a_2_2", "column_4", "column_4_2"]
    assert distinct_names(["a", "A"], fold=str) == ["a", "A"]
