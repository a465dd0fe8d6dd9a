"""The step of the listener between wake-up and start."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from dags.modules.allow_list import load_allowed_hosts
from dags.modules.batch import group_records
from dags.modules.dead_letter import write_dead_letters
from dags.modules.kafka_listener import drain, load_kafka_config
from dags.modules.object_store import load_bucket
from dags.modules.settings import DRAIN_MAX_BYTES, DRAIN_MAX_MESSAGES

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = logging.getLogger(__name__)


def extract_batch(ti: RuntimeTaskInstanceProtocol, *, topic: str, dead_letter_topic: str) -> dict[str, int]:
    """Drain and group; push the XComs ``runs`` and ``offsets``, and return a summary.

    Dead letters are acknowledged before this returns, so before any offset is committed.

    Raises:
        ConfigurationError: the connection or the allow-list is not as it must be.
        KafkaReadError: the topic cannot be read.
        DeadLetterError: a dead letter was not acknowledged.
    """
    config = load_kafka_config()
    allowed, bucket = load_allowed_hosts(), load_bucket()
    records = drain(config, topic, max_messages=DRAIN_MAX_MESSAGES, max_bytes=DRAIN_MAX_BYTES)
    batch = group_records(records, allowed=allowed, bucket=bucket)
    write_dead_letters(config, dead_letter_topic, batch.rejected)
    ti.xcom_push(key="runs", value=[asdict(run) for run in batch.runs])
    ti.xcom_push(key="offsets", value={str(partition): offset for partition, offset in batch.offsets.items()})
    return {"messages": len(records), "runs": len(batch.runs), "dead_letters": len(batch.rejected)}
