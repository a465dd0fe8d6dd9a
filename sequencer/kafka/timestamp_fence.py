"""Lets the broker refuse records that arrive too late.

Nothing in Kafka keeps a request of an earlier producer out of a partition: the idempotent producer's sequence numbers
end with the producer. Two kinds of such requests exist in exclusive mode. A process that is frozen (SIGSTOP, a paused
machine) may hold a request that is half written; it goes out as soon as the process runs again, before any of its code
could look at the lease. And the request of a producer that was given up or killed may be held up by the network or by
a slow broker, and arrive when its successor has begun to send.

Kafka 3.6 and newer refuses records whose timestamp is older than the topic's ``message.timestamp.before.max.ms``. That
is set to the time after which a record expires in the client, so a living process never sends an older one
(docs/adr/0026-late-requests-are-fenced.md).
"""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from sequencer.kafka.topic_options import Options, alter_topic, topic_options
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
OPTION = "message.timestamp.before.max.ms"
TIMESTAMP_TYPE = "message.timestamp.type"
_CALL_S = 15.0


def fence(
    client: dict[str, Any],
    *,
    topic: str,
    expiry_s: float,
    may_set: bool,
    stop: StopRequest | None = None,
    options: Options | None = None,
) -> float | None:
    """Return the age in seconds above which the topic refuses records; None, with a warning, where it takes any.

    Args:
        client: librdkafka's configuration of the connection.
        topic: the topic.
        expiry_s: how old a record of a living process is at most when it arrives.
        may_set: whether to set the topic's option where it is missing or larger.
        stop: the request to end early.
        options: the topic's options, where they are known already.

    Raises:
        StopRequestedError: ``stop`` came first.
        TemporaryFailureError: Kafka does not answer.
    """
    limit_ms = round(expiry_s * 1000)
    if options is None:
        options = topic_options(client, topic, stop=stop, timeout_s=_CALL_S)
    found_ms = _limit_ms(options)
    if found_ms is not None and found_ms <= limit_ms:
        return found_ms / 1000
    reason = _reason(options, found_ms, may_set=may_set)
    if not reason:
        if alter_topic(client, _change(topic, limit_ms), stop=stop, timeout_s=_CALL_S):
            _log.info("%s refuses records older than %d ms from now on (FENCE)", topic, limit_ms)
            return limit_ms / 1000
        reason = "Kafka does not allow this user to set the option (AlterConfigs on the topic)"
    _log.warning(
        "%s accepts records of any age: %s. A request of an earlier process that arrives late could add to what this "
        "one has sent; the job stops then (76). A start therefore waits longer after a crash. To let Kafka refuse "
        "such requests: kafka-configs --alter --entity-type topics --entity-name %s --add-config %s=%d",
        topic,
        reason,
        topic,
        OPTION,
        limit_ms,
    )
    return None


def _reason(options: Options, found_ms: int | None, *, may_set: bool) -> str:
    """Return why the option cannot be set; empty: it can."""
    if not may_set:
        return "FENCE=false"
    if not options.are_known:
        return "its options cannot be read (DescribeConfigs on the topic)"
    if found_ms is None:
        return f"Kafka before 3.6 has no {OPTION}"
    if options.text(TIMESTAMP_TYPE) != "CreateTime":
        return f"{TIMESTAMP_TYPE} is {options.text(TIMESTAMP_TYPE)}, so Kafka does not look at the producer's time"
    return ""


def _limit_ms(options: Options) -> int | None:
    """Return above which age records are refused; None: Kafka has no such option, or we may not read it."""
    found = options.number(OPTION)
    if found is not None and options.text(TIMESTAMP_TYPE) != "CreateTime":
        return 2**63 - 1
    return found


def _change(topic: str, limit_ms: int) -> ConfigResource:
    entry = ConfigEntry(OPTION, str(limit_ms), incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
