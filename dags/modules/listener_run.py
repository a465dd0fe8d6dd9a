"""The step of the listener between wake-up and start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dags.modules.allow_list import load_allowed_hosts
from dags.modules.batch import Batch, ChunkRun, group_records
from dags.modules.dead_letter import write_dead_letters
from dags.modules.kafka_listener import drain, load_kafka_config
from dags.modules.known_uploads import find_unknown
from dags.modules.object_store import load_bucket
from dags.modules.settings import DRAIN_MAX_BYTES, DRAIN_MAX_MESSAGES

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = logging.getLogger(__name__)

DEADLINE_S = 60.0
DEADLINE_WITH_RUNS_S = 5.0


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

    def read(after: Mapping[int, int], deadline_s: float) -> Batch:
        limits = {"max_messages": DRAIN_MAX_MESSAGES, "max_bytes": DRAIN_MAX_BYTES}
        records = drain(config, topic, after=after, deadline_s=deadline_s, **limits)
        batch = group_records(records, allowed=allowed, bucket=bucket, find_unknown=find_unknown)
        write_dead_letters(config, dead_letter_topic, batch.rejected)
        return batch

    drained = drain_past_dead_letters(read)
    ti.xcom_push(key="runs", value=[asdict(run) for run in drained.batch.runs])
    ti.xcom_push(key="offsets", value={str(partition): offset for partition, offset in drained.batch.offsets.items()})
    return {
        "messages": drained.message_count,
        "runs": len(drained.batch.runs),
        "dead_letters": drained.dead_letter_count,
    }


@dataclass(frozen=True, kw_only=True)
class Drained:
    """What several reads come to. ``batch`` has runs and offsets of all; its dead letters have been written."""

    batch: Batch
    message_count: int
    dead_letter_count: int


def drain_past_dead_letters(
    read: Callable[[Mapping[int, int], float], Batch], *, clock: Callable[[], float] = time.monotonic
) -> Drained:
    """Call ``read(after, deadline_s)`` until a batch of valid messages is there, or nothing more waits.

    Reading goes on past dead letters, which make no run: for a minute while there are no others, and for seconds once
    there is a message that others would hold up.
    """
    runs: list[ChunkRun] = []
    offsets: dict[int, int] = {}
    valid_count = dead_letter_count = 0
    end = clock() + DEADLINE_S
    while True:
        batch = read(offsets, max(end - clock(), 1.0))
        runs += batch.runs
        offsets |= batch.offsets
        dead_letter_count += len(batch.rejected)
        if batch.runs and not valid_count:
            end = min(end, clock() + DEADLINE_WITH_RUNS_S)
        valid_count += batch.valid_count
        # Few dead letters are no reason to read on: what is valid has waited for this batch, and more comes after it.
        mostly_dead_letters = len(batch.rejected) > batch.valid_count
        if not mostly_dead_letters or valid_count >= DRAIN_MAX_MESSAGES or clock() >= end:
            break
    log.info("%d messages to relay and %d dead letters in %d runs", valid_count, dead_letter_count, len(runs))
    return Drained(
        batch=Batch(runs=runs, offsets=offsets, valid_count=valid_count),
        message_count=valid_count + dead_letter_count,
        dead_letter_count=dead_letter_count,
    )
