from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from contracts.names import BYTES_PER_MB
from uploader.domain.cutting import ChunkType
from uploader.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults_are_as_documented() -> None:
    settings = load_settings()
    assert settings.kafka_broker == "openhouse-kafka:9092"
    assert (settings.kafka_topic_ingest, settings.kafka_partitions) == ("csv-ingestion", 3)
    assert (settings.chunk_type, settings.chunk_size_mb) == (ChunkType.SIZE, 50)
    assert settings.temp_dir == Path("/tmp/csv-chunks")
    assert settings.store_url == "sqlite:////tmp/csv-chunks/manifest.sqlite3"
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.max_file_size_bytes == 10_240 * BYTES_PER_MB


def test_arguments_precede_the_environment_which_precedes_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("CHUNK_SIZE_MB=1\nCHUNK_ROWS=1\nMAX_CHUNKS=1\nS3_REQUEST_PAYER=of the command line\n")
    monkeypatch.setenv("CHUNK_ROWS", "2")
    monkeypatch.setenv("MAX_CHUNKS", "2")
    settings = load_settings(env_file=env_file, max_chunks=3)
    assert (settings.chunk_size_mb, settings.chunk_rows, settings.max_chunks) == (1, 2, 3)


def test_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("REPLICA_NAME", "")
    settings = load_settings()
    assert settings.store_url.startswith("sqlite:////tmp")
    assert settings.replica_name


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("KAFKA_BROKER", "kafka", "must be host:port, got 'kafka'"),
        ("KAFKA_BROKER", "a:1,b", "must be host:port, got 'b'"),
        ("KAFKA_TOPIC_INGEST", "a b", "pattern"),
        ("KAFKA_PARTITIONS", "0", "greater than or equal to 1"),
        ("CHUNK_TYPE", "lines", "'size', 'rows' or 'count'"),
        ("CHUNK_SIZE_MB", "many", "valid integer"),
        ("MAX_FILE_SIZE_MB", "-1", "greater than or equal to 1"),
        ("TEMP_DIR", "chunks", "absolute path"),
        ("CLEANUP_AFTER_HOURS", "-1", "greater than or equal to 0"),
        ("CLEANUP_AFTER_HOURS", "99999999", "less than or equal to 87600"),
        ("CLEANUP_AFTER_HOURS", "inf", "finite number"),
        ("REANNOUNCE_AFTER_MINUTES", "99999999", "less than or equal to 5256000"),
        ("REANNOUNCE_AFTER_MINUTES", "inf", "finite number"),
        ("DATABASE_URL", "sqlite://", "the path of a file"),
        ("DATABASE_URL", "sqlite:///", "the path of a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "the path of a file"),
        ("API_PORT", "70000", "less than or equal to 65535"),
        ("API_BASE_URL", "uploader:8000", "pattern"),
        ("DATABASE_URL", "mysql://x", "must be sqlite:/// with the path of a file, or start with postgresql://"),
        ("S3_BUCKET", "Raw", "pattern"),
        ("REANNOUNCE_AFTER_MINUTES", "0", "greater than 0"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("REPLICA_NAME", "a/b", "pattern"),
    ],
)
def test_invalid_value_is_reported_with_its_rule(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, rule: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"{name}: " in caught.value.detail
    assert rule in caught.value.detail


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"low_disk_mb": 1, "min_free_disk_mb": 2}, ["LOW_DISK_MB (1)", "MIN_FREE_DISK_MB (2)"]),
        ({"chunk_size_mb": 5, "max_file_size_mb": 4}, ["CHUNK_SIZE_MB (5)", "MAX_FILE_SIZE_MB (4)"]),
    ],
)
def test_conflicting_values_are_both_named(given: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    for name in names:
        assert name in caught.value.detail


def test_all_invalid_values_are_named_and_passwords_hidden() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url="mysql://user:geheim@host/db", api_port=0)
    assert "DATABASE_URL: " in caught.value.detail
    assert "API_PORT: " in caught.value.detail
    assert "geheim" not in caught.value.detail
    assert "geheim" not in repr(load_settings(database_url="postgresql://user:geheim@host/db"))


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ({"api_base_url": "https://uploader.example/base/"}, "https://uploader.example/base"),
        ({"api_host": "10.0.0.1", "api_port": 80}, "http://10.0.0.1:80"),
        ({"api_host": "::1"}, "http://[::1]:8000"),
    ],
)
def test_base_url_is_the_public_address(given: dict[str, Any], base_url: str) -> None:
    assert load_settings(**given).base_url == base_url


def test_wildcard_host_is_replaced_in_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "replica-7")
    assert load_settings(api_host="0.0.0.0").base_url == "http://replica-7:8000"


def test_every_setting_has_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_server_exits_with_one_line_that_names_the_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "uploader.app:create_app", "--factory"],
        env={"KAFKA_PARTITIONS": "none", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("csvpipe uploader: ")
    assert "KAFKA_PARTITIONS: " in done.stderr
    assert done.stderr.count("\n") == 1
