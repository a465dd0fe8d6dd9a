"""Kafka connections: the client configuration for plaintext, TLS, SASL/SCRAM and MSK IAM."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import SettingsError, TemporaryFailureError
from contracts.kafka_security import SCRAM_MECHANISM, check_ca_file
from contracts.msk_token import sign_token
from sequencer.kafka.errors import error_of
from sequencer.settings import FRAMING_BYTES, MAX_RECORD_BYTES, JobSettings

_Client = TypeVar("_Client")
ClientConfig = dict[str, Any]
"""librdkafka's configuration properties by name; ``oauth_cb`` is a callable."""
CLIENT_LOG = logging.getLogger("librdkafka")
"""Logger of the Kafka client; without it the client writes to stderr."""


def client_config(settings: JobSettings) -> ClientConfig:
    """Return the connection properties for producers and consumers; KAFKA_OPTIONS take precedence.

    Raises:
        SettingsError: the file in KAFKA_CA_FILE cannot be read.
        NotAllowedError: no IAM token can be created.
    """
    config: ClientConfig = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"csvpipe-sequencer-{settings.job_id}",
        "log.connection.close": False,
    }
    if settings.max_record_bytes > MAX_RECORD_BYTES:
        config["message.max.bytes"] = settings.max_record_bytes + FRAMING_BYTES
    if settings.kafka_ca_file:
        check_ca_file(settings)
        config["ssl.ca.location"] = settings.kafka_ca_file
    match settings.kafka_security:
        case "plaintext":
            config["security.protocol"] = "PLAINTEXT"
        case "tls":
            config["security.protocol"] = "SSL"
        case "scram":
            config |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": SCRAM_MECHANISM,
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


def open_client(make: Callable[[], _Client]) -> _Client:
    """Create a client of ``confluent_kafka``, which validates its options and waits for the first IAM token.

    Raises:
        SettingsError: an option is invalid.
        TemporaryFailureError: no token arrived in time; :func:`client_config` has obtained one before.
    """
    try:
        return make()
    except SystemError as error:  # confluent-kafka 2.16 loses the exception below if an error_cb was called first
        raise TemporaryFailureError(f"Kafka client: no IAM token arrived in time ({error})") from error
    except KafkaException as error:
        cause = error.args[0]
        if cause.code() == KafkaError.SASL_AUTHENTICATION_FAILED:
            raise TemporaryFailureError(f"Kafka client: {cause.str()}") from error
        if "ssl.ca.location" in cause.str():
            raise SettingsError(f"KAFKA_CA_FILE is rejected by the Kafka client: {cause.str()}") from error
        raise error_of(error) from error


def _iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """Return a callback that signs a token with the machine's role and returns it with its expiry (Unix time).

    Raises:
        NotAllowedError: no token can be created now. A later failure is an outage: the first token has proved the role.
    """
    sign_token(region)
    return lambda _config: sign_token(region)
