"""Checks a topic's options against the needs of a job, before the first record is sent."""

from __future__ import annotations

import logging

from contracts.errors import SettingsError
from sequencer.kafka.topic_options import Options
from sequencer.settings import FRAMING_BYTES, MAX_RECORD_BYTES

_log = logging.getLogger(__name__)
_SHORT_RETENTION_MS = 6 * 60 * 60 * 1000
"""A job of 100 million rows takes from half an hour to three hours; consumers need some time as well."""


def check_topic(
    options: Options,
    *,
    topic: str,
    replicas: int,
    require_durable: bool,
    source_bytes: int | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> None:
    """Reject a topic that cannot hold the records, and warn of one that may lose some.

    Args:
        options: the topic's options.
        topic: its name.
        replicas: number of replicas of the partition.
        require_durable: reject a topic that may lose acknowledged records with one broker (REQUIRE_DURABLE_TOPIC).
        source_bytes: size of the source, as stored, or None if unknown.
        max_record_bytes: maximum size of a record (MAX_RECORD_BYTES).

    Raises:
        SettingsError: the topic cannot be used; the message names the option.
    """
    _check_compaction(options, topic)
    _check_record_size(options, topic, max_record_bytes)
    _check_durability(options, topic, replicas, required=require_durable)
    _warn_of_retention(options, topic, source_bytes)


def _check_compaction(options: Options, topic: str) -> None:
    policy = options.text("cleanup.policy")
    if "compact" in policy:
        raise SettingsError(
            f"KAFKA_TOPIC {topic}: cleanup.policy={policy} accepts only records with a key, and these have none. Use "
            "a topic with cleanup.policy=delete"
        )


def _check_record_size(options: Options, topic: str, max_record_bytes: int) -> None:
    """Reject a MAX_RECORD_BYTES above the topic's limit: the job would fail at its first long row."""
    limit_bytes = options.number("max.message.bytes")
    needed_bytes = max_record_bytes + FRAMING_BYTES
    if max_record_bytes > MAX_RECORD_BYTES and limit_bytes is not None and limit_bytes < needed_bytes:
        raise SettingsError(
            f"MAX_RECORD_BYTES={max_record_bytes}: KAFKA_TOPIC {topic} accepts batches of {limit_bytes} bytes "
            f"(max.message.bytes). Raise that to at least {needed_bytes}, or lower MAX_RECORD_BYTES"
        )


def _check_durability(options: Options, topic: str, replicas: int, *, required: bool) -> None:
    in_sync = options.number("min.insync.replicas")
    if replicas > 1 and in_sync is not None and in_sync > 1:
        return
    if in_sync is None:
        fault = "its min.insync.replicas cannot be read (DescribeConfigs on the topic)"
    elif replicas < 2:
        fault = "it has one replica"
    else:
        fault = f"it has {replicas} replicas and min.insync.replicas=1"
    advice = "Use a topic with a replication factor of 3 and min.insync.replicas=2"
    if required:
        raise SettingsError(
            f"KAFKA_TOPIC {topic} is not durable: {fault}, so the loss of one broker may lose acknowledged records. "
            f"{advice}, or unset REQUIRE_DURABLE_TOPIC"
        )
    if replicas > 0 and (in_sync is not None or replicas < 2):
        _log.warning(
            "Topic is not durable: the loss of one broker may lose acknowledged records. %s",
            advice,
            extra={"topic": topic, "reason": fault},
        )


def _warn_of_retention(options: Options, topic: str, source_bytes: int | None) -> None:
    if "delete" not in options.text("cleanup.policy"):
        return
    limit_ms, limit_bytes = options.number("retention.ms"), options.number("retention.bytes")
    if limit_ms is not None and 0 <= limit_ms < _SHORT_RETENTION_MS:
        _log.warning(
            "Topic has a short retention.ms: a job that loses rows to retention fails (74). Raise it",
            extra={"topic": topic, "retention_ms": limit_ms},
        )
    if limit_bytes is not None and source_bytes is not None and 0 <= limit_bytes < source_bytes:
        _log.warning(
            "Topic has a retention.bytes below the size of the source: a job that loses rows to retention fails (74). "
            "Raise it",
            extra={"topic": topic, "retention_bytes": limit_bytes, "size_bytes": source_bytes},
        )
