"""Listener step between wake-up and start: drain the topic, group messages, write dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from dags.modules.allowed_hosts import load_allowed_hosts
from dags.modules.batch import Batch, group_records
from dags.modules.dead_letters import write_dead_letters
from dags.modules.kafka_listener import drain, load_kafka_config
from dags.modules.known_uploads import find_unknown
from dags.modules.object_store import load_bucket
from dags.modules.run_request import RunRequest
from dags.modules.settings import DRAIN_MAX_BYTES, DRAIN_MAX_MESSAGES
from dags.modules.task_log import task_logger
from dags.modules.uploader_access import load_access

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = task_logger(__name__)

DEADLINE_S = 60.0
DEADLINE_WITH_RUNS_S = 5.0


def extract_batch(ti: RuntimeTaskInstanceProtocol, *, topic: str, dead_letter_topic: str) -> dict[str, int]:
    """Drain the topic and group the messages. Push the XComs ``runs`` and ``offsets``, and return a summary.

    Dead letters are acknowledged before this returns, and so before any offset is committed.

    Raises:
        ConfigurationError: The connection or the allow-list is invalid.
        KafkaReadError: The topic cannot be read.
        UploaderKeyError: An uploader does not accept the key. The messages stay in Kafka.
        DeadLetterError: A dead letter was not acknowledged.
    """
    config = load_kafka_config()
    allowed, bucket = load_allowed_hosts(), load_bucket()
    find_strangers = partial(find_unknown, access=load_access())

    def read(after: Mapping[int, int], deadline_s: float) -> Batch:
        limits = {"max_messages": DRAIN_MAX_MESSAGES, "max_bytes": DRAIN_MAX_BYTES}
        records = drain(config, topic, after=after, deadline_s=deadline_s, **limits)
        batch = group_records(records, allowed=allowed, bucket=bucket, find_unknown=find_strangers)
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
class DrainResult:
    """The result of several reads. ``batch`` has the runs and offsets of all of them, without the dead letters."""

    batch: Batch
    message_count: int
    dead_letter_count: int


def drain_past_dead_letters(
    read: Callable[[Mapping[int, int], float], Batch], *, clock: Callable[[], float] = time.monotonic
) -> DrainResult:
    """Call ``read(after, deadline_s)`` until it has returned a batch of valid messages, or no messages are left.

    Dead letters start no run, so reading continues past them: for 60 s while there is no valid message, and for 5 s
    once there is one, as it would be delayed.
    """
    runs: list[RunRequest] = []
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
        # A few dead letters are no reason to continue: the valid messages are waiting, and the next run reads more.
        mostly_dead_letters = len(batch.rejected) > batch.valid_count
        if not mostly_dead_letters or valid_count >= DRAIN_MAX_MESSAGES or clock() >= end:
            break
    log.info("Batch formed", extra={"messages": valid_count, "dead_letters": dead_letter_count, "runs": len(runs)})
    return DrainResult(
        batch=Batch(runs=runs, offsets=offsets, valid_count=valid_count),
        message_count=valid_count + dead_letter_count,
        dead_letter_count=dead_letter_count,
    )
