"""No secret is shown by ``repr`` of what holds it, or by an error about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from aws.client import ClientOptions
from contracts.errors import SettingsError
from contracts.secret_files import is_secret
from contracts.settings import EnvironmentSettings
from csvpipe.settings import ClientSettings
from csvpipe.settings import load_settings as load_client_settings
from dags.modules.uploader_access import UploaderAccess
from nifi.connection import Access
from sequencer.settings import JobSettings
from sequencer.settings import load_settings as load_job_settings
from stack.secrets import Secrets
from stack.settings import StackSettings
from uploader.kafka.security import KafkaSecurity
from uploader.settings import Settings as UploaderSettings
from uploader.settings import load_settings as load_uploader_settings

MARKED = "marked-secret"
SETTINGS: tuple[type[EnvironmentSettings], ...] = (UploaderSettings, JobSettings, ClientSettings, StackSettings)
_WORDS = ("password", "secret", "_token", "_key")
_PUBLIC = frozenset({"s3_key", "aws_access_key_id", "tls_key_file", "s3_kms_key_id", "uploads_at_once_per_key"})
"""Settings that have such a word in their name, and hold no secret."""


@pytest.mark.parametrize(
    "holder",
    [
        ClientOptions(region="r", access_key_id="a", secret_access_key=MARKED),
        Access(token=MARKED, username="u", password=MARKED),
        KafkaSecurity(security="scram", username="u", password=MARKED),
        UploaderAccess(key=MARKED),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_secret_is_not_in_the_repr_of_what_holds_it(holder: object) -> None:
    assert MARKED not in repr(holder)


@pytest.mark.parametrize("model", SETTINGS)
def test_setting_that_is_named_like_a_secret_has_a_type_that_hides_it(model: type[EnvironmentSettings]) -> None:
    named = {name for name in model.model_fields if any(word in name for word in _WORDS)} - _PUBLIC
    assert named, model
    assert {name for name in named if not is_secret(model.model_fields[name])} == set()


def test_secrets_of_the_stack_are_not_in_their_repr(tmp_path: Path) -> None:
    secrets = Secrets.load_or_generate(tmp_path / "secrets.json", StackSettings(_env_file=None))
    hidden = [value.get_secret_value() for _, value in secrets if isinstance(value, SecretStr)]
    assert hidden
    assert not any(value in repr(secrets) for value in hidden)


def test_wrong_settings_are_reported_without_the_secrets_beside_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KAFKA_PASSWORD", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "CSVPIPE_KEY"):
        monkeypatch.setenv(name, MARKED)
    monkeypatch.setenv("KAFKA_SECURITY", "scram")
    monkeypatch.setenv("S3_ENDPOINT", "no address")
    for load in (load_uploader_settings, load_job_settings, load_client_settings):
        with pytest.raises(SettingsError) as caught:
            load()
        assert MARKED not in caught.value.detail + str(caught.value.__cause__)
