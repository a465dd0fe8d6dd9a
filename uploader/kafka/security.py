"""The secured connection to Kafka, as kafka-python takes it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

from kafka.net.sasl.oauth import AbstractTokenProvider

from contracts.errors import SettingsError
from contracts.kafka_security import SCRAM_MECHANISM, KafkaSecuritySettings, Security, check_ca_file
from contracts.msk_token import check_signer_installed, sign_token
from contracts.tls_faults import TlsPeer, shake_hands, trusting
from uploader.errors import PublishError


class _RoleToken(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python is not typed
    """Tokens of this machine's role, a new one for each connection."""

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region

    def token(self) -> str:
        """Return a token."""
        text, _expires = sign_token(self._region)
        return text


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """How to connect to the brokers, and as whom."""

    security: Security = "plaintext"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    region: str = ""

    @classmethod
    def from_settings(cls, settings: KafkaSecuritySettings) -> Self:
        """Return what ``settings`` say.

        Raises:
            SettingsError: the file of authorities cannot be used, or a package is missing for the tokens of a role.
        """
        check_ca_file(settings)
        if settings.kafka_security == "iam":
            check_signer_installed()
        made = cls(
            security=settings.kafka_security,
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ca_file=settings.kafka_ca_file,
            region=settings.aws_region,
        )
        made.options()
        return made

    def options(self) -> dict[str, Any]:
        """Return the options of kafka-python. The file of authorities is read anew.

        Raises:
            SettingsError: it cannot be used.
        """
        if self.security == "plaintext":
            return {}
        options: dict[str, Any] = {"security_protocol": "SSL", "ssl_context": self._context()}
        if self.security == "tls":
            return options
        options["security_protocol"] = "SASL_SSL"
        if self.security == "iam":
            return options | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _RoleToken(self.region)}
        return options | {
            "sasl_mechanism": SCRAM_MECHANISM,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    def reach(self, host: str, port: int, *, timeout_s: float) -> None:
        """Connect once, so that a fault is known by name: kafka-python reports most as a missing answer.

        Raises:
            OSError: the broker does not accept connections.
            PublishError: its certificate is refused, or it does not speak TLS.
        """
        if self.security == "plaintext":
            socket.create_connection((host, port), timeout=timeout_s).close()
            return
        try:
            shake_hands(host, port, self._context(), timeout_s=timeout_s)
        except (ssl.SSLError, SettingsError) as error:
            raise PublishError(self._explain(error, f"{host}:{port}")) from error

    @property
    def sign_in(self) -> str | None:
        """What to check if the brokers are there and end the connection; None if this client does not sign in.

        A broker that refuses a user closes the connection, and kafka-python 3.0.12 does not read the reason before it.
        """
        if self.security == "iam":
            return "KAFKA_SECURITY=iam: Kafka ends the sign-in; check AWS_REGION and what the role may do"
        if self.security == "scram":
            return f"KAFKA_USERNAME and KAFKA_PASSWORD: Kafka ends the sign-in of {self.username!r}; check both"
        return None

    def _context(self) -> ssl.SSLContext:
        return trusting(self.ca_file, setting="KAFKA_CA_FILE")

    @staticmethod
    def _explain(error: ssl.SSLError | SettingsError, address: str) -> str:
        if isinstance(error, SettingsError):
            return error.detail
        peer = TlsPeer(address=address, address_setting="KAFKA_BROKER", ca_setting="KAFKA_CA_FILE")
        return peer.describe(error) or f"KAFKA_BROKER: no TLS connection to {address}, which may not speak TLS: {error}"
