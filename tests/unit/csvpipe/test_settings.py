from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SettingsError
from csvpipe import local_stack
from csvpipe.settings import load_settings
from stack.local import DEFAULT_ROOT
from stack.secrets import Secrets
from stack.settings import StackSettings

STACK = {"csvpipe_url": "http://127.0.0.1:18000", "s3_endpoint": "http://127.0.0.1:19000", "aws_access_key_id": "stack"}


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_stack, "client_values", dict)
    for name in ("CSVPIPE_URL", "S3_ENDPOINT", "S3_BUCKET", "S3_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_the_uploader_here_and_amazons_own_s3() -> None:
    settings = load_settings()
    assert settings.csvpipe_url == "http://127.0.0.1:8000"
    assert settings.s3_endpoint is None
    assert settings.s3_bucket == "raw"


def test_running_stack_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stack, "client_values", lambda: STACK)
    settings = load_settings()
    assert settings.csvpipe_url == STACK["csvpipe_url"]
    assert settings.aws_access_key_id == "stack"


def test_given_settings_override_the_running_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_stack, "client_values", lambda: STACK)
    (tmp_path / ".env").write_text("S3_ENDPOINT=http://from-file:9000\nCSVPIPE_URL=http://from-file:8000\n")
    monkeypatch.setenv("CSVPIPE_URL", "http://from-environment:8000")
    settings = load_settings()
    assert settings.s3_endpoint == "http://from-file:9000"
    assert settings.csvpipe_url == "http://from-environment:8000"
    assert load_settings(csvpipe_url="http://from-option:1").csvpipe_url == "http://from-option:1"


def test_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "")
    assert load_settings().s3_endpoint is None


def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "localhost:9000")
    with pytest.raises(SettingsError, match=r"S3_ENDPOINT: .*'localhost:9000'"):
        load_settings()


def test_password_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "ftp://mary:sesame@minio:9000/@x")
    with pytest.raises(SettingsError, match=r"S3_ENDPOINT: .*ftp://\*\*\*@") as caught:
        load_settings()
    assert "sesame" not in caught.value.detail


def test_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open-sesame")
    assert "open-sesame" not in repr(load_settings())


def test_stack_is_found_in_its_directory() -> None:
    assert local_stack.ROOT == DEFAULT_ROOT


def test_no_stack_gives_nothing_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert local_stack.client_values(tmp_path / "run") == {}
    assert local_stack.local_nifi(tmp_path / "run") is None
    assert list(tmp_path.iterdir()) == []


def test_stack_that_was_stopped_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    Secrets.load_or_generate(tmp_path / "secrets.json", StackSettings(_env_file=None))
    assert local_stack.client_values(tmp_path) == {}
