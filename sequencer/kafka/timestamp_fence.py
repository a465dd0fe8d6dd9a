"""Makes the broker reject records that arrive too late.

Nothing in Kafka keeps a request of an earlier producer out of a partition: the idempotent producer's sequence numbers
end with the producer. In exclusive mode there are two kinds of such requests. A suspended process (SIGSTOP, a paused
machine) may hold a half-written request, which is sent as soon as the process resumes, before any of its code can check
the lease. And the request of a closed or killed producer may be delayed by the network or by a slow broker, and arrive
after its successor has started to send.

Kafka 3.6 and newer rejects records whose timestamp is older than the topic's ``message.timestamp.before.max.ms``. That
option is set to the time after which a record expires in the client, so a running process never sends an older one
(docs/adr/0026-late-requests-are-fenced.md).
"""

from __future__ import annotations

import logging

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from sequencer.kafka.client import ClientConfig
from sequencer.kafka.topic_options import Options, alter_topic, topic_options
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
OPTION = "message.timestamp.before.max.ms"
TIMESTAMP_TYPE = "message.timestamp.type"
_CALL_S = 15.0


def fence_topic(
    client: ClientConfig,
    *,
    topic: str,
    expiry_s: float,
    may_set: bool,
    stop: StopRequest | None = None,
    options: Options | None = None,
) -> float | None:
    """Return the age in seconds above which the topic rejects records, or None, with a warning, if it accepts any age.

    Args:
        client: connection properties.
        topic: the topic.
        expiry_s: maximum age of a running process's record on arrival.
        may_set: whether to set the topic's option if it is missing or larger.
        stop: the stop request.
        options: the topic's options if known, else they are read.

    Raises:
        StopRequestedError: a stop was requested.
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
            _log.info("Topic now rejects older records (FENCE)", extra={"topic": topic, "limit_ms": limit_ms})
            return limit_ms / 1000
        reason = "Kafka does not allow this user to set the option (AlterConfigs on the topic)"
    _log.warning(
        "Topic accepts records of any age, so a late request of an earlier process could be appended (the job then "
        "stops with 76), and a start waits longer after a crash. To make Kafka reject such requests: kafka-configs "
        "--alter --entity-type topics --entity-name %s --add-config %s=%d",
        topic,
        OPTION,
        limit_ms,
        extra={"topic": topic, "reason": reason},
    )
    return None


def _reason(options: Options, found_ms: int | None, *, may_set: bool) -> str:
    """Return why the option cannot be set, or an empty text if it can."""
    if not may_set:
        return "FENCE=false"
    if not options.are_known:
        return "its options cannot be read (DescribeConfigs on the topic)"
    if found_ms is None:
        return f"Kafka before 3.6 has no {OPTION}"
    if options.text(TIMESTAMP_TYPE) != "CreateTime":
        return f"{TIMESTAMP_TYPE} is {options.text(TIMESTAMP_TYPE)}, so Kafka ignores the producer's timestamp"
    return ""


def _limit_ms(options: Options) -> int | None:
    """Return the age limit, or None if Kafka has no such option or it may not be read."""
    found = options.number(OPTION)
    if found is not None and options.text(TIMESTAMP_TYPE) != "CreateTime":
        return 2**63 - 1
    return found


def _change(topic: str, limit_ms: int) -> ConfigResource:
    entry = ConfigEntry(OPTION, str(limit_ms), incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
