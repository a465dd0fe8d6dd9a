"""The options of a topic or a broker, as Kafka reports them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AdminClient,
    ConfigResource,
    ResourceType,
)

from contracts.errors import TemporaryFailureError
from sequencer.kafka.connection import CLIENT_LOG, open_client
from sequencer.kafka.errors import error_of
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_CALL_S = 15.0
_STEP_S = 0.5
_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_REQUEST,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,
    }
)
"""Kafka's answer to a question or a change that it will refuse the next time as well."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a topic or a broker by name; empty where we may not read them."""

    values: Mapping[str, str]

    @property
    def are_known(self) -> bool:
        """Whether Kafka has told them."""
        return bool(self.values)

    def text(self, name: str) -> str:
        """Return an option; empty where it is not known."""
        return self.values.get(name, "")

    def number(self, name: str) -> int | None:
        """Return an option that is a number; None where it is not known."""
        value = self.text(name)
        return int(value) if value else None


def topic_options(
    client: dict[str, Any], topic: str, *, stop: StopRequest | None = None, timeout_s: float = _CALL_S
) -> Options:
    """Return the options of a topic.

    Args:
        client: librdkafka's configuration of the connection.
        topic: the topic.
        stop: the request to end early.
        timeout_s: how long the answer is waited for.

    Raises:
        StopRequestedError: ``stop`` came first.
        TemporaryFailureError: Kafka does not answer.
    """
    return _options(
        client, ConfigResource(ResourceType.TOPIC, topic), f"options of {topic}", stop=stop, timeout_s=timeout_s
    )


def broker_options(client: dict[str, Any], broker_id: int, *, stop: StopRequest | None = None) -> Options:
    """Return the options of a broker; see :func:`topic_options`."""
    resource = ConfigResource(ResourceType.BROKER, str(broker_id))
    return _options(client, resource, f"options of broker {broker_id}", stop=stop, timeout_s=_CALL_S)


def alter_topic(
    client: dict[str, Any], resource: ConfigResource, *, stop: StopRequest | None = None, timeout_s: float = _CALL_S
) -> bool:
    """Set options of a topic; return whether Kafka allows it. Raises as :func:`topic_options`."""
    what = f"options of {resource.name}"
    try:
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        wait_for_answer(
            admin.incremental_alter_configs([resource])[resource], what=what, stop=stop, timeout_s=timeout_s
        )
    except KafkaException as error:
        _log_refusal(error, f"the {what} cannot be set")
        return False
    return True


def wait_for_answer(future: Any, *, what: str, stop: StopRequest | None, timeout_s: float) -> Any:  # noqa: ANN401  untyped futures
    """Return what a future of the admin client comes to; ``stop`` is looked at while it is waited for.

    Raises:
        StopRequestedError: ``stop`` came first.
        TemporaryFailureError: there is no answer in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return future.result(max(0.0, min(_STEP_S, deadline - time.monotonic())))
        except NoAnswerError as error:
            if stop is not None:
                stop.check()
            if time.monotonic() >= deadline:
                raise TemporaryFailureError(f"Kafka does not answer for the {what} within {timeout_s:g} s") from error


def _options(
    client: dict[str, Any], resource: ConfigResource, what: str, *, stop: StopRequest | None, timeout_s: float
) -> Options:
    try:
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        found = wait_for_answer(admin.describe_configs([resource])[resource], what=what, stop=stop, timeout_s=timeout_s)
    except KafkaException as error:
        _log_refusal(error, f"the {what} cannot be read")
        return Options({})
    return Options({option: entry.value for option, entry in found.items() if entry.value is not None})


def _log_refusal(error: KafkaException, what: str) -> None:
    """Log what Kafka refuses for good.

    Raises:
        CsvPipeError: Kafka does not refuse; it is unavailable.
    """
    if error.args[0].code() not in _REFUSED:
        raise error_of(error) from error
    _log.warning("%s: %s", what, error.args[0].str())
