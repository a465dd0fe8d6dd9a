"""Lets the broker itself refuse what a process sends that was stopped, and woke up when another had taken its job over.

In exclusive mode nothing but the lease keeps two processes apart. A process that is frozen (SIGSTOP, a paused machine)
may hold a request that is half written; it goes out as soon as the process runs again, before any of its code could
look at the lease. Kafka (3.6 and newer) refuses records whose timestamp is older than the topic's
``message.timestamp.before.max.ms``. With that at the time after which a record expires, which is less than the lease,
such a request is refused: its records are older than the lease.
"""

from __future__ import annotations

import logging
from concurrent.futures import TimeoutError as NoAnswerError
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from sequencer.connection import open_client
from sequencer.errors import TryAgainError

_log = logging.getLogger(__name__)
OPTION = "message.timestamp.before.max.ms"
_TYPE = "message.timestamp.type"
_CALL_S = 15.0


def fence(client: dict[str, Any], *, topic: str, expiry_s: float, may_set: bool) -> bool:
    """Return whether the topic refuses records older than ``expiry_s``; say so in the log where it does not.

    Args:
        client: librdkafka's configuration of the connection.
        topic: the topic.
        expiry_s: how old a record of a living process is at most when it arrives.
        may_set: whether to set the topic's option where it is missing.

    Raises:
        TryAgainError: Kafka does not answer.
    """
    limit_ms = round(expiry_s * 1000)
    try:
        admin = open_client(lambda: AdminClient(client))
        if _limit_ms(admin, topic) <= limit_ms:
            return True
        if may_set:
            _set(admin, topic, limit_ms)
            _log.info("%s refuses records older than %d ms from now on", topic, limit_ms)
            return True
    except KafkaException as error:
        _log.warning("the options of %s cannot be read or set: %s", topic, error.args[0].str())
    except NoAnswerError as error:
        raise TryAgainError(f"Kafka has not told or set the options of {topic} within {_CALL_S:.0f} s") from error
    _log.warning(
        "%s takes records of any age. A process that is frozen for longer than its lease could add to what its "
        "successor has sent; the successor would stop at that. FENCE=true, or kafka-configs --alter "
        "--entity-type topics --entity-name %s --add-config %s=%d, lets Kafka refuse them",
        topic,
        topic,
        OPTION,
        limit_ms,
    )
    return False


def _limit_ms(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    options = admin.describe_configs([resource])[resource].result(_CALL_S)
    if OPTION not in options or options[_TYPE].value != "CreateTime":
        return 2**63 - 1  # with LogAppendTime Kafka does not look at what the producer says
    return int(options[OPTION].value)


def _set(admin: AdminClient, topic: str, limit_ms: int) -> None:
    entry = ConfigEntry(OPTION, str(limit_ms), incremental_operation=AlterConfigOpType.SET)
    by_producer = ConfigEntry(_TYPE, "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry, by_producer])
    admin.incremental_alter_configs([resource])[resource].result(_CALL_S)
