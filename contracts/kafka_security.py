"""Settings of a secured connection to Kafka, the same for every service that connects to it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from contracts.errors import SettingsError
from contracts.settings import EnvironmentSettings

Security = Literal["plaintext", "tls", "scram", "iam"]
SCRAM_MECHANISM = "SCRAM-SHA-512"


class KafkaSecuritySettings(EnvironmentSettings):
    """How a client connects to Kafka, and as whom. A settings class that derives from it has these settings."""

    kafka_security: Security = Field(
        "plaintext", description="Kafka security: plaintext, tls, scram (SASL/SCRAM-SHA-512 over TLS) or iam (MSK)."
    )
    kafka_username: str = Field("", description="User name for scram.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Password for scram.")
    kafka_ca_file: str = Field("", description="File of trusted CA certificates; empty for those of the system.")
    aws_region: str = Field("us-east-1", description="Region of MSK, for iam.")

    @model_validator(mode="after")
    def _check_kafka_user(self) -> Self:
        login = {"KAFKA_USERNAME": self.kafka_username, "KAFKA_PASSWORD": self.kafka_password.get_secret_value()}
        if self.kafka_security == "scram":
            for name, given in login.items():
                if not given:
                    raise ValueError(f"{name} is required with KAFKA_SECURITY=scram")
        if self.kafka_security == "plaintext":
            for name, given in (login | {"KAFKA_CA_FILE": self.kafka_ca_file}).items():
                if given:
                    raise ValueError(f"{name} has no effect with KAFKA_SECURITY=plaintext; change one of them")
        return self

    @property
    def kafka_uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.kafka_security != "plaintext"


def check_ca_file(settings: KafkaSecuritySettings) -> None:
    """Check that the file in ``KAFKA_CA_FILE`` can be read.

    Raises:
        SettingsError: it cannot.
    """
    if not settings.kafka_ca_file:
        return
    try:
        with Path(settings.kafka_ca_file).open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"KAFKA_CA_FILE: {settings.kafka_ca_file} cannot be read: {error.strerror}") from error
