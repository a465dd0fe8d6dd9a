"""How Kafka is reached: plain, by TLS, by SASL/SCRAM, or with MSK's IAM."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.errors import SettingsError
from sequencer.errors import NotAllowedError
from sequencer.settings import FRAMING_BYTES, MAX_RECORD_BYTES, JobSettings

_log = logging.getLogger(__name__)


def client_config(settings: JobSettings) -> dict[str, Any]:
    """Return librdkafka's options of the connection, for producers and consumers alike; KAFKA_OPTIONS win.

    Raises:
        SettingsError: KAFKA_CA_FILE is not there.
        NotAllowedError: no token of IAM can be made.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"csvpipe-sequencer-{settings.job_id}",
        "log.connection.close": False,
    }
    if settings.max_record_bytes > MAX_RECORD_BYTES:
        config["message.max.bytes"] = settings.max_record_bytes + FRAMING_BYTES
    if settings.kafka_ca_file:
        if not Path(settings.kafka_ca_file).exists():
            raise SettingsError(f"KAFKA_CA_FILE: there is no file {settings.kafka_ca_file}")
        config["ssl.ca.location"] = settings.kafka_ca_file
    match settings.kafka_security:
        case "plaintext":
            config["security.protocol"] = "PLAINTEXT"
        case "tls":
            config["security.protocol"] = "SSL"
        case "scram":
            config |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": settings.kafka_username,
                "sasl.password": settings.kafka_password.get_secret_value(),
            }
        case "iam":
            config |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "OAUTHBEARER",
                "oauth_cb": _iam_token(settings.aws_region),
            }
    return {**config, **settings.kafka_options}


def _iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """Return what gives a token signed with the machine's role, and when it expires, in seconds since 1970.

    Raises:
        NotAllowedError: there is none now. One that fails to come later is an outage: the first has shown the role.
    """

    def token(_config: str) -> tuple[str, float]:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

        try:
            text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        except Exception as error:
            # Kafka's client keeps it to itself, and says only that there was no token.
            _log.warning("no token for MSK's IAM: %s", error)
            raise
        return text, expires_ms / 1000

    try:
        token("")
    except Exception as error:
        raise NotAllowedError(
            f"no token for MSK's IAM can be made: {error}; look at AWS_REGION and at this machine's role or credentials"
        ) from error
    return token
