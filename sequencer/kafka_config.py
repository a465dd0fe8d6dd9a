"""How Kafka is reached: plain, by TLS, by SASL/SCRAM, or with MSK's IAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sequencer.settings import JobSettings


def client_config(settings: JobSettings) -> dict[str, Any]:
    """Return librdkafka's options of the connection, for producers and consumers alike; KAFKA_OPTIONS win."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"csvpipe-sequencer-{settings.job_id}",
        "log.connection.close": False,
    }
    if settings.kafka_ca_file:
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
    """Return what gives a token signed with the machine's role, and when it expires, in seconds since 1970."""

    def token(_config: str) -> tuple[str, float]:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return text, expires_ms / 1000

    return token
