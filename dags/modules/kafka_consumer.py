"""A Kafka consumer for the extra of an Airflow connection; what is wrong with it is an error that names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dags.modules.errors import ConfigurationError
from dags.modules.settings import CONN_KAFKA

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError

_SERVED_CALLBACKS = 10
_UNANSWERED = ("Disconnected", "timed out", "transport failure")
"""In the text of a failed sign-in that a broker did not answer: it may be shutting down."""


@contextmanager
def open_consumer(config: Mapping[str, Any], conn_id: str = CONN_KAFKA) -> Iterator[Consumer]:
    """Give a consumer with the properties ``config``, and close it in the end.

    Raises:
        ConfigurationError: librdkafka does not know a property, the brokers refuse the user, or this client refuses
            their certificate.
        KafkaException: as raised in the block, for other reasons.
    """
    from confluent_kafka import Consumer, KafkaException

    reported: list[KafkaError] = []
    try:
        consumer = Consumer({**config, "error_cb": reported.append})
    except KafkaException as error:
        raise ConfigurationError(f"connection {conn_id}: {error.args[0].str()}", connection=conn_id) from error
    try:
        yield consumer
    except KafkaException as error:
        for _ in range(_SERVED_CALLBACKS):  # the reports of the connections are delivered by polling
            consumer.poll(0)
        for report in reported:
            fault = describe_fault(report)
            if fault is not None:
                raise ConfigurationError(f"connection {conn_id}: {fault}", connection=conn_id) from error
        raise
    finally:
        consumer.close()


def describe_fault(error: KafkaError) -> str | None:
    """Return which properties of the extra to correct, or None if ``error`` may pass by itself."""
    from confluent_kafka import KafkaError

    text = error.str()
    refused = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
    if error.code() in refused and not any(each in text for each in _UNANSWERED):
        return f"sasl.mechanism, sasl.username and sasl.password are refused: {text}"
    if error.code() == KafkaError._SSL and "certificate verify failed" in text:
        return (
            "ssl.ca.location does not lead to trust in the broker's certificate, or it has expired or is for another "
            f"name than in bootstrap.servers: {text}"
        )
    return None
