"""Secrets from files, for every settings class, and errors that show no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from contracts.errors import SettingsError
from contracts.secret_files import is_secret, read_variable
from contracts.settings import EnvironmentSettings, reading_settings
from csvpipe.settings import ClientSettings
from sequencer.settings import JobSettings
from stack.settings import StackSettings
from uploader.settings import Settings as UploaderSettings


class FakeSettings(EnvironmentSettings):
    """One secret with a rule of its own, one plain setting."""

    model_config = SettingsConfigDict(env_file=".env")

    fake_key: SecretStr | None = Field(None, min_length=8)
    fake_limit: int = 1


@pytest.fixture(autouse=True)
def empty_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def _read() -> str | None:
    with reading_settings(FakeSettings, show_values=True):
        secret = FakeSettings().fake_key
    return secret.get_secret_value() if secret else None


def _secrets() -> list[tuple[type[EnvironmentSettings], str]]:
    models: tuple[type[EnvironmentSettings], ...] = (UploaderSettings, JobSettings, ClientSettings, StackSettings)
    found = [(model, name) for model in models for name, field in model.model_fields.items() if is_secret(field)]
    assert {model for model, _ in found} == set(models)
    return found


@pytest.mark.parametrize(("model", "field"), _secrets())
def test_every_secret_setting_is_read_from_the_file_that_is_named(
    model: type[EnvironmentSettings], field: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api_key = f"csvp_fromfile_{'a' * 43}"
    forms = {
        "database_url": "postgresql://u:from-a-file@host/db",
        "download_signing_keys": f"id:{'from-a-file' * 3}",
        **dict.fromkeys(("admin_key", "relay_key"), api_key),
        "metrics_key": "from-a-file" * 3,
    }
    secret = forms.get(field, "from-a-file")
    (tmp_path / "secret").write_text(f"{secret}\n")
    name = f"{model.model_config.get('env_prefix', '')}{field}".upper()
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    if field == "kafka_password":  # refused for a plain connection
        monkeypatch.setenv("KAFKA_SECURITY", "scram")
        monkeypatch.setenv("KAFKA_USERNAME", "u")
    settings: Any = model()
    assert getattr(settings, field).get_secret_value() == secret
    assert secret not in repr(settings)


def test_line_end_after_a_secret_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKE_KEY_FILE", "secret")
    for content, secret in (
        ("open sesame\r\n", "open sesame"),
        (" two\nlines \n", " two\nlines "),
        ("open sesame\n\r\n\n", "open sesame"),
        ("\ufeffopen sesame\n", "open sesame"),
    ):
        (tmp_path / "secret").write_bytes(content.encode())
        assert _read() == secret
        assert read_variable({"FAKE_KEY_FILE": "secret"}, "FAKE_KEY") == secret.strip()


def test_environment_takes_precedence_over_a_file_named_in_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from-a-file")
    (tmp_path / ".env").write_text("FAKE_KEY_FILE=secret\n")
    assert _read() == "from-a-file"
    monkeypatch.setenv("FAKE_KEY", "from-the-environment")
    assert _read() == "from-the-environment"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b" \n", b"\t\r\n\r\n", b"\xef\xbb\xbf\n"])
def test_secret_file_without_a_secret_is_an_error_that_names_the_setting(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("FAKE_KEY_FILE", "secret")
    with pytest.raises(SettingsError, match="FAKE_KEY_FILE: secret "):
        _read()
    with pytest.raises(SettingsError, match="FAKE_KEY_FILE: secret "):
        read_variable({"FAKE_KEY_FILE": "secret"}, "FAKE_KEY")


def test_secret_that_is_given_twice_is_an_error_that_names_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from-a-file")
    monkeypatch.setenv("FAKE_KEY", "marked-secret")
    monkeypatch.setenv("FAKE_KEY_FILE", "secret")
    with pytest.raises(SettingsError, match="FAKE_KEY and FAKE_KEY_FILE") as caught:
        _read()
    assert "marked-secret" not in caught.value.detail


def test_error_quotes_a_wrong_value_unless_it_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_KEY", "mark3d")
    monkeypatch.setenv("FAKE_LIMIT", "many")
    with pytest.raises(SettingsError, match=r"FAKE_LIMIT: .*'many'") as caught:
        _read()
    assert "FAKE_KEY: " in caught.value.detail
    assert "mark3d" not in caught.value.detail + str(caught.value.__cause__)
