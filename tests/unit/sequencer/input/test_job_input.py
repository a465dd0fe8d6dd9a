"""What a job reads: several files, other encodings, ranges, and from any row on."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingsError
from sequencer.errors import BadRowError, JobUsageError
from sequencer.input.job_input import JobInput, open_input
from sequencer.input.ranges import plan_ranges, split_input
from sequencer.model.schema import Schema, load_schema
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError
from sequencer.source.local_file import LocalFile
from sequencer.verify.source_rows import rows_by_python
from tests.support.examples import examples


def opened(*paths: Path, **given: Any) -> JobInput:
    return open_input([LocalFile(str(path)) for path in paths], settings=JobSettings(**given), schema=Schema())


def records(
    source: JobInput, *, place: SourcePosition | None = None, last_line: int | None = None
) -> list[dict[str, Any]]:
    begin = source.begin
    blocks = source.encoded(place=place or begin, last_line=begin.line if last_line is None else last_line)
    return [json.loads(record) for block in blocks for record in block.records]


def write(path: Path, rows: list[list[str]], *, encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_lines_are_counted_across_files(tmp_path: Path) -> None:
    first = write(tmp_path / "1.csv", [["a", "b"], ["1", "2"], ["3", "4"]])
    second = write(tmp_path / "2.csv", [["a", "b"], ["5", "6"]])
    found = [(r["a"], r["_source_line"], r["_source_file"]) for r in records(opened(first, second))]
    assert found == [("1", 1, str(first)), ("3", 2, str(first)), ("5", 3, str(second))]


@pytest.mark.parametrize("last_line", [0, 1, 2, 3])
def test_reading_resumes_after_any_row_from_any_position_before_it(tmp_path: Path, last_line: int) -> None:
    first = write(tmp_path / "1.csv", [["a", "b"], ["1", "2"], ["3", "4"]])
    second = write(tmp_path / "2.csv", [["a", "b"], ["5", "6"]])
    places = [START, SourcePosition(1, 0, 10), SourcePosition(2, 1, 0)]
    for place in places:
        if place.line <= last_line:
            found = [r["_source_line"] for r in records(opened(first, second), place=place, last_line=last_line)]
            assert found == list(range(last_line + 1, 4))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    rows = [["größe", "b"], ["ä", "2"], ["ü", "4"]]
    path = write(tmp_path / "1.csv", rows, encoding=encoding)
    if encoding == "utf-16-le":
        path.write_bytes(b"\xff\xfe" + path.read_bytes())
    declared = encoding if encoding == "cp1252" else ""
    source = opened(path, encoding=declared)
    assert [r["größe"] for r in records(source)] == ["ä", "ü"]
    assert [fields for _, _, fields in rows_by_python(source.sources, source.headers)] == [
        {"größe": "ä", "b": "2"},
        {"größe": "ü", "b": "4"},
    ]


def test_header_that_is_not_utf_8_asks_for_the_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "1.csv", [["größe"], ["1"]], encoding="latin-1")
    with pytest.raises(BadRowError, match="set ENCODING"):
        opened(path)


def test_unsupported_encoding_is_a_settings_error(tmp_path: Path) -> None:
    path = write(tmp_path / "1.csv", [["a"], ["1"]])
    with pytest.raises(SettingsError, match="ENCODING: cp037"):
        opened(path, encoding="cp037")


def test_files_of_one_sequence_have_one_header(tmp_path: Path) -> None:
    first = write(tmp_path / "1.csv", [["a", "b"], ["1", "2"]])
    second = write(tmp_path / "2.csv", [["b", "a"], ["5", "6"]])
    with pytest.raises(BadRowError, match=r"2\.csv: the header is 'b,a'"):
        opened(first, second)


def test_limit_ends_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "1.csv", [["a"], *([str(row)] for row in range(1, 10))])
    assert [r["a"] for r in records(opened(path, limit=4))] == ["1", "2", "3", "4"]
    assert [r["a"] for r in records(opened(path, limit=4), last_line=3)] == ["4"]


@settings(max_examples=examples(60))
@given(
    rows=st.lists(st.lists(st.text(alphabet='a",\n\r é', max_size=8), min_size=2, max_size=2), max_size=30),
    files=st.integers(1, 2),
    count=st.integers(2, 5),
)
def test_ranges_hold_every_row_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], files: int, count: int
) -> None:
    directory = tmp_path_factory.mktemp("ranges")
    paths = [write(directory / f"{number}.csv", [["x", "y"], *rows]) for number in range(files)]
    source = opened(*paths)
    ranges = split_input(source, plan_ranges(source, count))
    assert 1 <= len(ranges) <= count
    found = [[record["_source_line"] for record in records(part)] for part in ranges]
    assert [line for lines in found for line in lines] == list(range(1, files * len(rows) + 1))
    assert [record for part in ranges for record in records(part)] == records(source)


def test_stop_request_ends_the_planning_of_ranges(tmp_path: Path) -> None:
    stop = StopRequest()
    stop.request("SIGTERM")
    source = opened(write(tmp_path / "a.csv", [["x", "y"], ["1", "2"]]))
    with pytest.raises(StopRequestedError):
        plan_ranges(source, 2, check_stop=stop.check)


def test_ranges_of_a_packed_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "1.csv.gz"
    path.write_bytes(gzip.compress(b"a\n1\n"))
    with pytest.raises(JobUsageError, match="is compressed"):
        plan_ranges(opened(path), 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_ranges_of_a_file_in_utf_16_are_refused(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "1.csv", [["a"], *[[str(row)] for row in range(100)]], encoding=encoding)
    source = opened(path)
    if encoding == "utf-8-sig":
        assert len(plan_ranges(source, 4)) == 3
        return
    with pytest.raises(JobUsageError, match=r"1\.csv is in UTF-16"):
        plan_ranges(source, 2)


def test_schema_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("columns:\n  - {column: id, type: integer, required: true}\n")
    (column,) = load_schema(str(path)).columns
    assert (column.column, column.type, column.required) == ("id", "integer", True)
    path.write_text("columns:\n  - {column: id, type: date}\n")
    with pytest.raises(SettingsError, match=r"columns\.0\.type"):
        load_schema(str(path))
    with pytest.raises(SettingsError, match="SCHEMA_FILE"):
        load_schema(str(tmp_path / "none"))
    path.write_text("columns:\n  - {column: id}\n  - {column: id}\n")
    with pytest.raises(SettingsError, match=r"columns: the column 'id' occurs twice"):
        load_schema(str(path))


def test_progress_is_relative_to_the_bytes_of_the_range(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.csv", [["a"], *[[str(row)] for row in range(500)]]) for n in range(2)]
    source = opened(*files)
    ranges = split_input(source, plan_ranges(source, 3))
    assert sum(part.total_bytes for part in ranges) == sum(path.stat().st_size for path in files)
    for part in ranges:
        read: list[int] = []
        list(part.to_encode(place=part.begin, last_line=part.begin.line, on_read=read.append))
        assert part.bytes_upto(part.begin) == 0
        assert read[-1] >= part.total_bytes


def test_limit_counts_the_rows_of_all_ranges_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [["a"], *[[str(row)] for row in range(1, 101)]])
    source = opened(path, limit=60)
    found = [records(part) for part in split_input(source, plan_ranges(source, 2))]
    assert [r["_source_line"] for part in found for r in part] == list(range(1, 61))
    assert all(found), "the limit is in the second range"


def test_rows_of_another_width_are_reported_without_their_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n\n4,5\n", encoding="utf-8")
    source = opened(path)
    found = list(rows_by_python(source.sources, source.headers))
    assert found == [(1, str(path), {"a": "1", "b": "2"}), (2, str(path), None), (3, str(path), {"a": "4", "b": "5"})]
