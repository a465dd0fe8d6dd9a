"""Settings of a secured connection to Kafka are refused if the connection would be plain."""

from __future__ import annotations

import pytest

from contracts.errors import SettingsError
from contracts.kafka_security import KafkaSecuritySettings
from contracts.settings import reading_settings


def read(**given: str) -> KafkaSecuritySettings:
    with reading_settings(KafkaSecuritySettings):
        return KafkaSecuritySettings.model_validate(given)


@pytest.mark.parametrize("name", ["kafka_username", "kafka_password", "kafka_ca_file"])
def test_setting_that_a_plain_connection_ignores_is_refused(name: str) -> None:
    """Whoever sets a password or an authority does not expect that everything is sent without TLS."""
    with pytest.raises(SettingsError, match=f"{name.upper()} has no effect with KAFKA_SECURITY"):
        read(**{name: "x"})
    with pytest.raises(SettingsError, match=f"{name.upper()} has no effect with KAFKA_SECURITY"):
        read(**{name: "x", "kafka_security": "plaintext"})
    assert read(**{name: ""}).kafka_security == "plaintext"


def test_settings_of_a_secured_connection_are_accepted() -> None:
    assert read(kafka_security="tls", kafka_ca_file="ca.pem").kafka_uses_tls
    secrets = {"kafka_username": "u", "kafka_password": "p"}
    assert read(kafka_security="scram", kafka_ca_file="ca.pem", **secrets).kafka_uses_tls
    for name in secrets:
        with pytest.raises(SettingsError, match=f"{name.upper()} is required"):
            read(kafka_security="scram", **{**secrets, name: ""})
