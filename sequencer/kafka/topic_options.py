"""Configuration options of a topic or a broker, as reported by Kafka."""

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
from sequencer.kafka.client import CLIENT_LOG, ClientConfig, open_client
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
"""Error codes of requests that a retry does not make succeed."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options by name; empty if they may not be read."""

    values: Mapping[str, str]

    @property
    def are_known(self) -> bool:
        """Whether Kafka has returned them."""
        return bool(self.values)

    def text(self, name: str) -> str:
        """Return an option, or an empty text if it is unknown."""
        return self.values.get(name, "")

    def number(self, name: str) -> int | None:
        """Return a numeric option, or None if it is unknown."""
        value = self.text(name)
        return int(value) if value else None


def topic_options(
    client: ClientConfig, topic: str, *, stop: StopRequest | None = None, timeout_s: float = _CALL_S
) -> Options:
    """Return the options of a topic.

    Args:
        client: connection properties.
        topic: the topic.
        stop: the stop request.
        timeout_s: how long to wait for the answer.

    Raises:
        StopRequestedError: a stop was requested.
        TemporaryFailureError: Kafka does not answer.
    """
    return _options(
        client, ConfigResource(ResourceType.TOPIC, topic), f"options of {topic}", stop=stop, timeout_s=timeout_s
    )


def broker_options(client: ClientConfig, broker_id: int, *, stop: StopRequest | None = None) -> Options:
    """Return the options of a broker; see :func:`topic_options`."""
    resource = ConfigResource(ResourceType.BROKER, str(broker_id))
    return _options(client, resource, f"options of broker {broker_id}", stop=stop, timeout_s=_CALL_S)


def alter_topic(
    client: ClientConfig, resource: ConfigResource, *, stop: StopRequest | None = None, timeout_s: float = _CALL_S
) -> bool:
    """Set options of a topic; return whether Kafka allows it. Raises what :func:`topic_options` raises."""
    what = f"options of {resource.name}"
    try:
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        wait_for_answer(
            admin.incremental_alter_configs([resource])[resource], what=what, stop=stop, timeout_s=timeout_s
        )
    except KafkaException as error:
        _log_refusal(error, f"Cannot set the {what}")
        return False
    return True


def wait_for_answer(future: Any, *, what: str, stop: StopRequest | None, timeout_s: float) -> Any:  # noqa: ANN401  untyped futures
    """Return the result of an admin client's future, checking ``stop`` while waiting.

    Raises:
        StopRequestedError: a stop was requested.
        TemporaryFailureError: no answer came in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return future.result(max(0.0, min(_STEP_S, deadline - time.monotonic())))
        except NoAnswerError as error:
            if stop is not None:
                stop.check()
            if time.monotonic() >= deadline:
                raise TemporaryFailureError(f"Kafka did not answer within {timeout_s:g} s: {what}") from error


def _options(
    client: ClientConfig, resource: ConfigResource, what: str, *, stop: StopRequest | None, timeout_s: float
) -> Options:
    try:
        admin = open_client(lambda: AdminClient(client, logger=CLIENT_LOG))
        found = wait_for_answer(admin.describe_configs([resource])[resource], what=what, stop=stop, timeout_s=timeout_s)
    except KafkaException as error:
        _log_refusal(error, f"Cannot read the {what}")
        return Options({})
    return Options({option: entry.value for option, entry in found.items() if entry.value is not None})


def _log_refusal(error: KafkaException, what: str) -> None:
    """Log a request that Kafka has refused for good.

    Raises:
        CsvPipeError: the error is another one.
    """
    if error.args[0].code() not in _REFUSED:
        raise error_of(error) from error
    _log.warning(what, extra={"error": error.args[0].str()})
