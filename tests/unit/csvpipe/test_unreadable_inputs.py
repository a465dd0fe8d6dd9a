"""Settings, schemas and names that are no text end in an error that names them, never in a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

import csvpipe.settings
import sequencer.settings
import stack.settings
import uploader.settings
from contracts.errors import CsvPipeError, SettingsError
from csvpipe.cli import main
from sequencer.model.schema import load_schema

LOADERS: dict[str, Callable[[], object]] = {
    "csvpipe": csvpipe.settings.load_settings,
    "sequencer": sequencer.settings.load_settings,
    "uploader": lambda: uploader.settings.load_settings(env_file=Path(".env")),
    "stack": stack.settings.load_settings,
}
NOT_UTF8 = {
    "UTF-16": "S3_BUCKET=raw\n".encode("utf-16"),
    "UTF-16 without its mark, in Chinese": "S3_BUCKET=桶\n".encode("utf-16-le") + b"\xff\xff",
    "latin-1": "# für alle\nS3_BUCKET=raw\n".encode("latin-1"),
    "binary": bytes(range(128, 256)),
}


@pytest.fixture(autouse=True)
def lock_exclusively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("content", NOT_UTF8)
def test_settings_file_that_is_not_utf_8_is_named(loader: str, content: str) -> None:
    Path(".env").write_bytes(NOT_UTF8[content])
    with pytest.raises(CsvPipeError, match=r"\.env: byte \d+ is not UTF-8; save the file as UTF-8") as raised:
        LOADERS[loader]()
    assert raised.value.exit_code in {1, 78}


@pytest.mark.parametrize("value", ["not json", "{", "'a'"])
def test_setting_that_must_be_json_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_OPTIONS", value)
    with pytest.raises(SettingsError, match="KAFKA_OPTIONS must be JSON"):
        sequencer.settings.load_settings()


@pytest.mark.parametrize("name", ["JOB_ID", "KAFKA_USERNAME", "S3_KEY", "CHECKPOINT_TABLE", "KAFKA_BOOTSTRAP_SERVERS"])
def test_setting_that_is_not_utf_8_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, os.fsdecode(b"gr\xf6\xdfe"))
    with pytest.raises(SettingsError, match=name):
        sequencer.settings.load_settings()


SCHEMAS = {
    "UTF-16": ("columns: []".encode("utf-16"), "byte 0 is not UTF-8; save the file as UTF-8"),
    "latin-1": ("columns: [{column: größe}]".encode("latin-1"), "byte 21 is not UTF-8"),
    "a NUL": (b"columns: [\0]", "#x0000"),
    "nothing": (b"", "Input should be a valid dictionary"),
    "nested without end": (b"[" * 20_000, "nested too deeply"),
    "a date that is none": (b"columns: 2026-99-99", "SCHEMA_FILE"),
    "a column twice": (b"columns: [{column: a, type: integer}, {column: a}]", "the column 'a' occurs twice"),
    "another type": (b"columns: [{column: a, type: date}]", "columns.0.type"),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_that_is_none_is_named(kind: str) -> None:
    content, reason = SCHEMAS[kind]
    Path("schema.yml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"SCHEMA_FILE schema\.yml: ") as raised:
        load_schema("schema.yml")
    assert reason in raised.value.detail


def test_schema_may_have_a_byte_order_mark() -> None:
    Path("schema.yml").write_bytes(b"\xef\xbb\xbfcolumns: [{column: a, type: integer}]")
    assert load_schema("schema.yml").columns[0].type == "integer"


NO_SOURCES = {
    "s3:///key": 66,
    "a" * 5000: 66,
    "closed/a.csv": 66,
    "/dev/null": 66,
    "pipe": 66,
    os.fsdecode(b"gr\xf6\xdfe.csv"): 78,
    os.fsdecode(b"s3://b/gr\xf6\xdfe.csv"): 78,
    ".": 78,
}


@pytest.mark.parametrize("source", NO_SOURCES)
def test_invalid_source_is_rejected(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    Path(os.fsdecode(b"gr\xf6\xdfe.csv")).write_bytes(b"id\n1\n")
    Path("closed").write_text("a file, where a folder is given")
    with pytest.raises(SystemExit) as ended:
        main(["sequence", "--dry-run", "--source", source])
    assert ended.value.code == NO_SOURCES[source]
    assert "csvpipe: " in capsys.readouterr().err


TOPICS = ["a b", "größe", "a/b", "a:b", ".", "..", "a" * 250, "a,b", "a\n", "*"]


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("command", [["sequence", "--source", "a.csv", "--job-id", "j"], ["verify-topic"]])
def test_invalid_topic_is_rejected_before_any_request(
    command: list[str], topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.csv").write_bytes(b"id\n1\n")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--bootstrap-servers", "127.0.0.1:1", "--topic", topic])
    assert ended.value.code == 78
    assert "KAFKA_TOPIC: " in capsys.readouterr().err


@pytest.mark.parametrize("servers", ["::::", "h:x", "h:0", "h:65536", "http://h:1/x", "h:1,:2", "a b:9092", "::1:9092"])
def test_invalid_bootstrap_servers_are_rejected(servers: str) -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_BOOTSTRAP_SERVERS: .*host:port"):
        sequencer.settings.load_settings(kafka_bootstrap_servers=servers)


@pytest.mark.parametrize(
    "servers", ["h", "h:9092", "a.b-c:1, d_e:65535", "[::1]:9092", "SASL_SSL://h:9098", "1.2.3.4:1,"]
)
def test_valid_bootstrap_servers_are_accepted(servers: str) -> None:
    assert sequencer.settings.load_settings(kafka_bootstrap_servers=servers).kafka_bootstrap_servers == servers


@pytest.mark.parametrize("variable", [("S3_ENDPOINT", "http://"), ("AWS_PROFILE", "nobody"), ("S3_REGION", "mö nd")])
def test_invalid_object_store_of_verify_is_a_settings_error(
    variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv(*variable)
    with pytest.raises(SystemExit) as ended:
        main(["verify", "0" * 32, "--timeout", "0"])
    assert ended.value.code == 78
    assert "S3_ENDPOINT" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["sequence", "--source", "a.csv", "--job-id", "j"], ["verify-topic"]])
def test_invalid_dead_letter_topic_is_rejected(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_bytes(b"id\n1\n")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--bootstrap-servers", "127.0.0.1:1", "--topic", "t", "--dead-letter-topic", "a b"])
    assert ended.value.code == 78
    assert "DEAD_LETTER_TOPIC: " in capsys.readouterr().err


def test_too_long_dead_letter_topic_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ON_BAD_ROW", "dead-letter")
    with pytest.raises(SettingsError, match="DEAD_LETTER_TOPIC"):
        sequencer.settings.load_settings(kafka_topic="a" * 249)
