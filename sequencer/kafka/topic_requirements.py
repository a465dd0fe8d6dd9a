"""Compares what a topic is with what a job needs of it, before the first record is sent."""

from __future__ import annotations

import logging

from contracts.errors import SettingsError
from sequencer.kafka.topic_options import Options
from sequencer.settings import FRAMING_BYTES, MAX_RECORD_BYTES

_log = logging.getLogger(__name__)
_SHORT_RETENTION_MS = 6 * 60 * 60 * 1000
"""A job of 100 million rows takes from half an hour to three hours; readers need some time as well."""


def check_topic(
    options: Options,
    *,
    topic: str,
    replicas: int,
    require_durable: bool,
    source_bytes: int | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> None:
    """Refuse a topic that cannot hold the records, and warn of one that may lose some.

    Args:
        options: the topic's options.
        topic: its name.
        replicas: how many brokers hold the partition.
        require_durable: refuse a topic that loses acknowledged records with one broker (REQUIRE_DURABLE_TOPIC).
        source_bytes: size of what is still to be sent, as stored; None: not known.
        max_record_bytes: bytes that a record may have (MAX_RECORD_BYTES).

    Raises:
        SettingsError: the topic cannot be used; the text names its option.
    """
    _check_compaction(options, topic)
    _check_record_size(options, topic, max_record_bytes)
    _check_durability(options, topic, replicas, required=require_durable)
    _warn_of_retention(options, topic, source_bytes)


def _check_compaction(options: Options, topic: str) -> None:
    policy = options.text("cleanup.policy")
    if "compact" in policy:
        raise SettingsError(
            f"KAFKA_TOPIC {topic}: cleanup.policy={policy} accepts only records with a key, and these have none. Take "
            "a topic with cleanup.policy=delete"
        )


def _check_record_size(options: Options, topic: str, max_record_bytes: int) -> None:
    """Refuse a setting that was raised above what the topic takes: the job would end at its first long row."""
    limit_bytes = options.number("max.message.bytes")
    needed_bytes = max_record_bytes + FRAMING_BYTES
    if max_record_bytes > MAX_RECORD_BYTES and limit_bytes is not None and limit_bytes < needed_bytes:
        raise SettingsError(
            f"MAX_RECORD_BYTES={max_record_bytes}: KAFKA_TOPIC {topic} accepts batches of {limit_bytes} bytes "
            f"(max.message.bytes). Raise that to {needed_bytes} at least, or lower MAX_RECORD_BYTES"
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
    advice = "Take a topic with a replication factor of 3 and min.insync.replicas=2"
    if required:
        raise SettingsError(
            f"KAFKA_TOPIC {topic} is not durable: {fault}, so the loss of one broker may lose acknowledged records. "
            f"{advice}, or unset REQUIRE_DURABLE_TOPIC"
        )
    if replicas > 0 and (in_sync is not None or replicas < 2):
        _log.warning(
            "%s is not durable: %s. The loss of one broker may lose acknowledged records. %s", topic, fault, advice
        )


def _warn_of_retention(options: Options, topic: str, source_bytes: int | None) -> None:
    if "delete" not in options.text("cleanup.policy"):
        return
    limit_ms, limit_bytes = options.number("retention.ms"), options.number("retention.bytes")
    if limit_ms is not None and 0 <= limit_ms < _SHORT_RETENTION_MS:
        _log.warning(
            "%s keeps records for %.0f s (retention.ms=%d): a job that loses rows to retention fails (74). Raise it",
            topic,
            limit_ms / 1000,
            limit_ms,
        )
    if limit_bytes is not None and source_bytes is not None and 0 <= limit_bytes < source_bytes:
        _log.warning(
            "%s keeps %d bytes of a partition (retention.bytes), and the source has %d: a job that loses rows to "
            "retention fails (74). Raise it",
            topic,
            limit_bytes,
            source_bytes,
        )
