"""Dead letters: invalid records, copied to the dead-letter topic with the reason in their headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dags.modules.errors import DeadLetterError
from dags.modules.records import RejectedRecord
from dags.modules.task_log import task_logger

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

log = task_logger(__name__)

MAX_VALUE_BYTES = 256 * 1024
MAX_KEY_BYTES = 64 * 1024
MAX_HEADERS_BYTES = 64 * 1024
"""Longer values and keys are cut, and larger headers are left out. A record just below the broker's limit (1 MB) would
exceed it with our headers added, and block the topic forever. The headers tell where the original record is."""
_HEADER_OVERHEAD_BYTES = 10
"""Two lengths of up to five bytes each."""
_CLIENT_PROPERTIES = (
    "bootstrap.servers",
    "client.",
    "security.",
    "sasl.",
    "ssl.",
    "oauth",
    "broker.address",
    "message.max",
)


def write_dead_letters(
    config: Mapping[str, Any], topic: str, rejected: Sequence[RejectedRecord], *, deadline_s: float = 30.0
) -> None:
    """Write ``rejected`` to ``topic`` and wait until the broker has acknowledged every record.

    A batch that is delivered again is written again. The headers ``csv-ingestion.partition`` and
    ``csv-ingestion.offset`` identify duplicates.

    Raises:
        DeadLetterError: A record was not acknowledged.
    """
    if not rejected:
        return
    from confluent_kafka import KafkaException, Producer

    faults: list[str] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            faults.append(str(error))

    producer = Producer({**_client_config(config), "acks": "all", "enable.idempotence": True})
    try:
        for item in rejected:
            log.error(
                "Invalid record sent to the dead-letter topic",
                extra={
                    "topic": item.record.topic,
                    "partition": item.record.partition,
                    "offset": item.record.offset,
                    "error": item.reason,
                },
            )
            producer.produce(topic, **_build_dead_letter(item), on_delivery=on_delivery)
        left = producer.flush(deadline_s)
    except (BufferError, KafkaException) as error:
        raise DeadLetterError(f"cannot write dead letters to topic {topic}: {error}") from error
    if left or faults:
        reason = ", ".join(faults) or f"no answer within {deadline_s:.0f} s"
        raise DeadLetterError(
            f"{left + len(faults)} of {len(rejected)} dead letters were not acknowledged by topic {topic}: {reason}"
        )


def _client_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name.startswith(_CLIENT_PROPERTIES)}


def _build_dead_letter(item: RejectedRecord) -> dict[str, Any]:
    record = item.record
    headers = list(record.headers)
    cut = [
        name
        for name, part, limit in (("key", record.key, MAX_KEY_BYTES), ("value", record.value, MAX_VALUE_BYTES))
        if part is not None and len(part) > limit
    ]
    if sum(_header_bytes(*header) for header in headers) > MAX_HEADERS_BYTES:
        headers = []
        cut.append("headers")
    return {
        "key": record.key and record.key[:MAX_KEY_BYTES],
        "value": record.value and record.value[:MAX_VALUE_BYTES],
        "headers": [*headers, *_added_headers(item, cut)],
    }


def _header_bytes(name: str, value: bytes | None) -> int:
    return len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD_BYTES


def _added_headers(item: RejectedRecord, cut: list[str]) -> list[tuple[str, bytes]]:
    record = item.record
    added = {
        "code": item.code,
        "reason": item.reason[:4000],
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "rejected-at": datetime.now(UTC).isoformat(),
        "size-bytes": str(len(record.value or b"")),
    }
    if cut:
        added["cut"] = ", ".join(cut)
    return [(f"csv-ingestion.{name}", value.encode("utf-8", "backslashreplace")) for name, value in added.items()]
