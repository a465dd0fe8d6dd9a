"""What Kafka's client says of a connection: what a person has to set right, apart from what is away for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, SettingsError, TemporaryFailureError
from sequencer.errors import NotAllowedError
from sequencer.kafka.errors import AUTHENTICATION_FAILED, AUTHORIZATION_FAILED, error_of, is_unanswered

_Client = TypeVar("_Client")
CLIENT_LOG = logging.getLogger("librdkafka")
"""The logger of Kafka's client; without it the client writes to stderr."""


def refusal(error: KafkaError) -> CsvPipeError | None:
    """Return what ``error`` asks a person to set right; None: it may pass by itself."""
    text = error.str()
    if error.code() in AUTHENTICATION_FAILED and not is_unanswered(error):
        return NotAllowedError(
            f"Kafka does not let us in: {text}; look at KAFKA_SECURITY and, with scram, at KAFKA_USERNAME and "
            "KAFKA_PASSWORD, with iam at this machine's role"
        )
    if error.code() in AUTHORIZATION_FAILED:
        return NotAllowedError(
            f"Kafka refuses: {text}; look at the ACLs of the user: Describe, Read and Write on the topics, and on the "
            "TransactionalId where MODE is transactional"
        )
    if error.code() == KafkaError._SSL and "certificate verify failed" in text:
        return SettingsError(f"KAFKA_CA_FILE: the certificate of Kafka's broker is not trusted: {text}")
    return None


def open_client(make: Callable[[], _Client]) -> _Client:
    """Return a client of Kafka's; its options are looked at, and the first token of IAM is waited for, by making it.

    Raises:
        SettingsError: an option is wrong.
        TemporaryFailureError: no token came; :func:`sequencer.kafka.config.client_config` has had one.
    """
    try:
        return make()
    except SystemError as error:  # confluent-kafka 2.16 loses the exception below where an error_cb was called first
        raise TemporaryFailureError(f"Kafka's client: no token for IAM came in time ({error})") from error
    except KafkaException as error:
        cause = error.args[0]
        if cause.code() == KafkaError.SASL_AUTHENTICATION_FAILED:
            raise TemporaryFailureError(f"Kafka's client: {cause.str()}") from error
        if "ssl.ca.location" in cause.str():
            raise SettingsError(f"KAFKA_CA_FILE: Kafka's client does not take it: {cause.str()}") from error
        raise error_of(error) from error
