from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from contracts.exit_codes import ExitCode
from csvpipe.cli import main

VALID = b"a,b\n1,2\n3,4\n"
INVALID = b"a,b\n1,2\n3\n4,\0\n"
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "valid.csv").write_bytes(VALID)
    (tmp_path / "invalid.csv").write_bytes(INVALID)

    def run_check(*arguments: str) -> int:
        with pytest.raises(SystemExit) as exited:
            main(["check", *arguments])
        return int(exited.value.code or 0)

    return run_check


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a server that has ``/valid.csv``, and refuses ``/secret.csv``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/valid.csv": 200, "/secret.csv": 403, "/broken.csv": 200}.get(self.path, 404))
            self.send_header("Content-Length", str(len(VALID) + (self.path == "/broken.csv")))
            self.end_headers()
            self.wfile.write(VALID)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_valid_file_is_described(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("valid.csv") == ExitCode.OK
    shown = capsys.readouterr().out
    for text in ("rows       2", "columns    2: a, b", "delimiter  ','", "encoding   utf-8", "3 LF", "VALID valid.csv"):
        assert text in shown


def test_faults_come_with_advice_once_for_each_kind(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ragged.csv").write_bytes(b"a,b\n1\n2\n3,\0\n")
    assert run("ragged.csv") == ExitCode.INVALID_INPUT
    shown = capsys.readouterr().out
    assert (
        shown.count("ragged_row: it was read with the delimiter ','; if that is wrong, name it with --delimiter") == 1
    )
    assert shown.count("nul_byte: CSV is text") == 1


def test_bytes_that_are_not_utf_8_are_no_fault_but_said(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.csv").write_bytes("a\nü\n".encode("latin-1"))
    assert run("latin.csv") == ExitCode.OK
    assert "unknown-8bit (not UTF-8; name the encoding with --encoding)" in capsys.readouterr().out


def test_faults_are_listed_and_counted(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("invalid.csv") == ExitCode.INVALID_INPUT
    shown = capsys.readouterr().out
    assert "ragged_row" in shown
    assert "INVALID invalid.csv: 2 faults (1 ragged_row, 1 nul_byte)" in shown


def test_json_is_one_document_and_nothing_else(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("invalid.csv", "--json", "--for", "duckdb,pyarrow", "--for", "duckdb", "--faults", "1") == 65
    report = json.loads(capsys.readouterr().out)
    assert (report["is_valid"], report["row_count"], report["headers"]) == (False, 3, ["a", "b"])
    assert report["fault_counts"] == {"ragged_row": 1, "nul_byte": 1}
    assert [(fault["reason"], fault["row"], fault["byte"]) for fault in report["faults"]] == [("ragged_row", 2, 8)]
    assert [(each["reader"], each["rule"]) for each in report["findings"]] == [
        ("duckdb", "ragged_rows"),
        ("pyarrow", "ragged_rows"),
    ]


def test_file_without_a_header_has_a_report_too(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    assert run("empty.csv", "--json") == ExitCode.INVALID_INPUT
    report = json.loads(capsys.readouterr().out)
    assert (report["headers"], report["fault_counts"]) == (None, {"empty_file": 1})


def test_standard_input_is_read(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("invalid.csv").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run("-", "--no-strict", "--json") == ExitCode.INVALID_INPUT
    assert json.loads(capsys.readouterr().out)["fault_counts"] == {"nul_byte": 1}


@pytest.mark.parametrize("name", ["invalid.csv.gz", "invalid.csv.gz of members"])
def test_compressed_source_is_unpacked(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    packed = gzip.compress(INVALID) if name.endswith("gz") else gzip.compress(INVALID[:9]) + gzip.compress(INVALID[9:])
    (tmp_path / name).write_bytes(packed)
    assert run(name, "--json") == ExitCode.INVALID_INPUT
    report = json.loads(capsys.readouterr().out)
    assert (report["compression"], report["source_bytes"], report["row_count"]) == ("gzip", len(packed), 3)
    assert report["fault_counts"] == {"ragged_row": 1, "nul_byte": 1}


def test_damaged_compression_is_a_fault_after_those_before_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(INVALID)
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-5])
    assert run("cut.csv.gz", "--json") == ExitCode.INVALID_INPUT
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [(fault["reason"], fault["row"], fault["byte"]) for fault in faults] == [
        ("ragged_row", 2, 8),
        ("nul_byte", 3, 12),
        ("invalid_compression", 4, len(packed) - 5),
    ]


def test_lenient_accepts_surplus_empty_cells(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "surplus.csv").write_bytes(b"a,b\n1,2,,\n\n")
    assert run("surplus.csv") == ExitCode.INVALID_INPUT
    assert run("surplus.csv", "--lenient") == ExitCode.OK
    assert "1 row with surplus empty cells, 1 blank line at the end" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--for", "excel"],
        ["--encoding", "utf-99"],
        ["--delimiter", "||"],
        ["--lenient", "--no-strict"],
        ["--faults", "0"],
    ],
)
def test_wrong_option_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    assert run("valid.csv", *arguments) == ExitCode.USAGE


def test_address_is_read(run: Run, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{address}/valid.csv", "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["row_count"] == 2


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/missing.csv", ExitCode.SOURCE_MISSING),
        ("/secret.csv", ExitCode.PERMISSION_DENIED),
        ("/broken.csv", ExitCode.UNAVAILABLE),
    ],
)
def test_address_that_cannot_be_read_is_told_from_an_invalid_file(
    run: Run, address: str, path: str, code: ExitCode
) -> None:
    assert run(address + path) == code


def test_object_is_read(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        client.put_object(Bucket="data", Key="folder/invalid.csv", Body=INVALID)
        assert run("s3://data/folder/invalid.csv", "--json") == ExitCode.INVALID_INPUT
        assert json.loads(capsys.readouterr().out)["fault_counts"] == {"ragged_row": 1, "nul_byte": 1}
        assert run("s3://data/missing.csv") == ExitCode.SOURCE_MISSING


def test_missing_file_is_told_from_an_invalid_one(run: Run) -> None:
    assert run("missing.csv") == ExitCode.SOURCE_MISSING
    assert run("s3://bucket") == ExitCode.CONFIGURATION
