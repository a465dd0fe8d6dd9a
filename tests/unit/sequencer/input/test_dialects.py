"""How files are read: delimiters, sep= lines, encodings; recorded by the job, used by the verification."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from csvpipe.recorded_dialect import open_verification_input
from sequencer.checkpoint.serialization import from_fields, to_fields
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import BadRowError, JobUsageError
from sequencer.input.dialects import FileDialect, check_same_dialect, dialect_runs, recorded_dialects, recorded_header
from sequencer.input.job_input import JobInput, open_input
from sequencer.input.ranges import plan_ranges
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.schema import Schema
from sequencer.settings import JobSettings
from sequencer.source.decoding import FileHeader
from sequencer.source.local_file import LocalFile
from sequencer.verify.source_rows import rows_by_python
from tests.support.zstd import zstd

TRICKY = "ソ表|能\\"


def opened(*paths: Path, **given: Any) -> JobInput:
    return open_input([LocalFile(str(path)) for path in paths], settings=JobSettings(**given), schema=Schema())


def fields_of(source: JobInput) -> list[dict[str, str]]:
    """Return the fields of the records, after a comparison with what the verification reads."""
    found = [
        {name: value for name, value in json.loads(record).items() if not name.startswith("_")}
        for block in source.encoded(place=source.begin, last_line=0)
        for record in block.records
    ]
    assert found == [fields for _, _, fields in rows_by_python(source.sources, source.headers)]
    return found


def file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_rows_decide_which_delimiter_it_is(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", b"Preis, netto;Preis, brutto\n1,5;2,5\n")
    assert fields_of(opened(path)) == [{"Preis, netto": "1,5", "Preis, brutto": "2,5"}]


@pytest.mark.parametrize(
    ("given", "delimiter"),
    [("^", "^"), ("tab", "\t"), (r"\t", "\t"), (r"\x01", "\x01"), (r"\001", "\x01"), ("^A", "\x01"), ("\x1f", "\x1f"),
     ("~", "~"), (":", ":"), (" ", " "), ("\\", "\\"), ("pipe", "|"), ("x", "x")],
)  # fmt: skip
def test_any_ascii_byte_may_be_the_delimiter(tmp_path: Path, given: str, delimiter: str) -> None:
    regular = f'a{delimiter}b\n1{delimiter}"2{delimiter}3"\n'
    source = opened(file(tmp_path / "a.csv", regular.encode()), delimiter=given)
    assert fields_of(source) == [{"a": "1", "b": f"2{delimiter}3"}]
    source = opened(file(tmp_path / "b.csv", f'{regular}4{delimiter}5"\n'.encode()), delimiter=given)
    assert fields_of(source) == [{"a": "1", "b": f"2{delimiter}3"}, {"a": "4", "b": '5"'}]


@pytest.mark.parametrize("given", ["||", "~|~", "\u00a7", '"', r"\n"])
def test_invalid_delimiter_is_a_settings_error(tmp_path: Path, given: str) -> None:
    path = file(tmp_path / "a.csv", b"a,b\n1,2\n")
    with pytest.raises(SettingsError, match=r"DELIMITER: delimiter is .* one ASCII character"):
        opened(path, delimiter=given)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_sep_line_is_not_a_row(tmp_path: Path, line: str, line_end: str, encoding: str) -> None:
    text = line_end.join([line, "a;b,c", "1,0;2", ""])
    source = opened(file(tmp_path / "a.csv", text.encode(encoding)))
    assert fields_of(source) == [{"a": "1,0", "b,c": "2"}]


@pytest.mark.parametrize("encoding", ["shift_jis", "cp932", "Shift-JIS", "gbk", "GB18030", "big5", "euc_jp", "cp949"])
@pytest.mark.parametrize("delimiter", ["|", ",", "\\"])
def test_multibyte_encodings_become_utf8(tmp_path: Path, encoding: str, delimiter: str) -> None:
    word = {"gbk": "乗俓", "GB18030": "乗俓\U00020000", "big5": "功許", "cp949": "힣똠"}.get(encoding, "ソ表")
    text = f'名{delimiter}b\n{word}{delimiter}"{word}{delimiter}\n{word}"\n{word}{delimiter}{word}"\n'
    text = text.replace("名", "x" if encoding == "cp949" else "名")
    source = opened(file(tmp_path / "a.csv", text.encode(encoding)), delimiter=delimiter, encoding=encoding)
    assert [*fields_of(source)[0].values()] == [word, f"{word}{delimiter}\n{word}"]
    assert [*fields_of(source)[1].values()] == [word, f'{word}"']


def test_multibyte_file_is_read_on_from_any_row(tmp_path: Path) -> None:
    rows = "".join(f"{number},ソ{number}\n" for number in range(100))
    source = opened(file(tmp_path / "a.csv", f"a,b\n{rows}".encode("cp932")), encoding="cp932")
    (block,) = source.encoded(place=source.begin, last_line=0)
    assert block.end is not None
    assert block.end.byte_offset == len(f"a,b\n{rows}".encode())
    (rest,) = source.encoded(place=replace(source.begin, byte_offset=4), last_line=90)
    assert json.loads(next(iter(rest.records)))["b"] == "ソ90"
    with pytest.raises(JobUsageError, match="multi-byte"):
        plan_ranges(source, 2)


def test_invalid_multibyte_text_is_refused_at_its_byte(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", "a,b\n1,ソ\n2,".encode("cp932") + b"\x81\x0a\n")
    with pytest.raises(BadRowError) as raised:
        list(opened(path, encoding="cp932").encoded(place=opened(path, encoding="cp932").begin, last_line=0))
    assert raised.value.extra["byte"] == 11


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("utf-16", b"a,b\n1,2\n"),
        ("utf-16-le", b"a,b\n1,2\n"),
        ("utf-16-le", "a,b\n".encode("utf-16-le")),
        ("utf-16-be", b"\xff\xfe" + "a,b\n".encode("utf-16-le")),
        ("cp1252", "a,b\n".encode("utf-16")),
        ("utf-8", "a,b\n".encode("utf-16")),
    ],
)
def test_declaration_that_contradicts_the_mark_is_refused(tmp_path: Path, declared: str, content: bytes) -> None:
    path = file(tmp_path / "a.csv", content)
    with pytest.raises(BadRowError, match=f"expected text in {declared}, found (the|no) byte order mark of"):
        opened(path, encoding=declared)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bz2.compress(b"a,b\n1,2\n"), "a bzip2 file; unpack it"),
        (b"PAR1\x15\x04\x15", "a Parquet file; export it as CSV"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON; export it as CSV"),
        (
            "a,b\n1,2\n3,4\n".encode("utf-16-le"),
            r"UTF-16 \(little-endian\) without a byte order mark; save it as UTF-8",
        ),
        (gzip.compress(gzip.compress(b"a,b\n", mtime=0), mtime=0), "a gzip file; unpack it"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(BadRowError, match=rf"a\.csv: header, byte 0: expected CSV text, found {found}"):
        opened(file(tmp_path / "a.csv", content))


PACKED = {"gzip": gzip.compress(b"a,b\n1,2\n", mtime=0), "zstd": zstd.compress(b"a,b\n1,2\n")}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("junk", [b"a,b\n3,4\n", b"\x1e", b"--end--"])
@pytest.mark.parametrize("piece_bytes", [1, 5, 4096])
def test_data_after_a_compressed_stream_is_reported_with_its_position(
    tmp_path: Path, packing: str, junk: bytes, piece_bytes: int
) -> None:
    path = file(tmp_path / "a.csv", PACKED[packing] + junk)
    with (
        pytest.raises(
            BadRowError, match=f"the {packing} data ends before byte {len(PACKED[packing])} of the file"
        ) as raised,
        LocalFile(str(path), piece_bytes=piece_bytes).open() as pieces,
    ):
        list(pieces)
    assert raised.value.extra["byte"] == len(PACKED[packing])


def test_backslash_before_a_quote_is_explained(tmp_path: Path) -> None:
    path = file(tmp_path / "a.csv", b'a,b\n1,"say \\"hi\\", again"\n')
    with pytest.raises(BadRowError, match=r"read with the delimiter ','; set DELIMITER if it is another.*doubled"):
        fields_of(opened(path))
    path = file(tmp_path / "b.csv", b'a,b\n1,"say \\""\n2,3\n')
    with pytest.raises(BadRowError, match="doubled"):
        fields_of(opened(path))


def checkpoint_of(headers: Sequence[FileHeader], *, topic: str = "rows", **given: Any) -> Checkpoint:
    return Checkpoint(
        job_id="job",
        timestamp=datetime(2026, 1, 31, tzinfo=UTC),
        topic=topic,
        partition=0,
        first_offset=0,
        dialects=dialect_runs(headers),
        header=recorded_header(headers),
        **given,
    )


def test_checkpoint_records_how_each_file_is_read(tmp_path: Path) -> None:
    paths = [
        file(tmp_path / "1.csv", b"a;b\n1;2\n"),
        file(tmp_path / "2.csv", b"a;b\n3;4\n"),
        file(tmp_path / "3.csv", "a,b\n5,6\n".encode("utf-16")),
    ]
    checkpoint = checkpoint_of(opened(*paths).headers)
    fields = to_fields(checkpoint)
    assert json.loads(str(fields["dialects"])) == [
        {"files": 2, "delimiter": ";", "encoding": "utf-8"},
        {"files": 1, "delimiter": ",", "encoding": "utf-16-le"},
    ]
    assert json.loads(str(fields["header"])) == ["a", "b"]
    assert from_fields("job", fields) == checkpoint
    semicolon, comma = FileDialect(";", "utf-8"), FileDialect(",", "utf-16-le")
    recorded = recorded_dialects(checkpoint)
    assert recorded == [semicolon, semicolon, comma]
    again = open_input(
        [LocalFile(str(path)) for path in paths], settings=JobSettings(), schema=Schema(), dialects=recorded
    )
    assert [FileDialect.of(head) for head in again.headers] == [semicolon, semicolon, comma]


def test_job_that_would_read_its_files_differently_is_rejected(tmp_path: Path) -> None:
    path = file(tmp_path / "1.csv", b"a;b\n1;2\n")
    checkpoint = checkpoint_of(opened(path).headers)
    check_same_dialect(None, opened(path, delimiter=",").headers)
    check_same_dialect(checkpoint, opened(path).headers)
    with pytest.raises(JobUsageError, match=r"delimiter ';', encoding utf-8.* delimiter ','"):
        check_same_dialect(checkpoint, opened(path, delimiter=",").headers)


class Recorded:
    """A source, and the checkpoint of a job that has sent it."""

    def __init__(self, directory: Path, *, topic: str = "rows") -> None:
        self.path = file(directory / "a.csv", b"a, x;b\n1, y;2\n")
        self.store = directory / "checkpoints.sqlite3"
        source = opened(self.path, delimiter=",")
        checkpoints = SqliteCheckpoints(str(self.store))
        checkpoints.acquire_lease("job", owner="me", now=0.0, lease_s=9e9, is_dead=lambda _: False)
        checkpoints.save(
            checkpoint_of(source.headers, topic=topic, sources=source.identity),
            owner="me",
        )

    def settings(self, **given: Any) -> JobSettings:
        base = {"source": (str(self.path),), "kafka_topic": "rows", "checkpoint_file": str(self.store)}
        return JobSettings(**{**base, **given})


def test_verification_reads_as_the_job_recorded(tmp_path: Path) -> None:
    found = open_verification_input(Recorded(tmp_path).settings(job_id="job"))
    assert found.job.headers[0].columns == ("a", " x;b")
    assert found.how == "read with delimiter ',', encoding utf-8: as recorded by job job"


def test_verification_prefers_its_options_and_reports_what_the_job_recorded(tmp_path: Path) -> None:
    settings = Recorded(tmp_path).settings(job_id="job", delimiter=";", encoding="utf-8")
    found = open_verification_input(settings)
    assert found.job.headers[0].columns == ("a, x", "b")
    assert found.how == (
        "read with delimiter ';', encoding utf-8: delimiter and encoding as given. Job job recorded something else: "
        "delimiter ',', encoding utf-8"
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "no --job-id was given"),
        ({"job_id": "other"}, "there is no checkpoint of other"),
        ({"job_id": "job", "kafka_topic": "others"}, "the checkpoint of job is of topic rows"),
        ({"job_id": "job", "checkpoint_file": "/nowhere"}, "there is no checkpoint file /nowhere"),
    ],
)
def test_verification_without_a_record_reports_that_it_detected_the_dialect(
    tmp_path: Path, given: dict[str, str], why: str
) -> None:
    found = open_verification_input(Recorded(tmp_path).settings(**given))
    assert found.job.headers[0].columns == ("a, x", "b")
    assert f"detected in the source, as {why}: use --job-id" in found.how


def test_checkpoint_of_another_source_is_ignored(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.path.write_bytes(b"a, x;b\n1, y;2\n3, z;4\n")
    found = open_verification_input(recorded.settings(job_id="job"))
    assert found.job.headers[0].columns == ("a, x", "b")
    assert "as the checkpoint of job is of another source" in found.how
