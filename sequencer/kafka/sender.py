"""Sends records to one partition, and checks what Kafka says of every batch of them.

Order and "nothing twice" within one process are the idempotent producer's: librdkafka numbers the messages, the broker
takes them in that order and once. With ``enable.gapless.guarantee`` a message that the broker refuses is fatal for all
behind it. That does not hold for a message that expires in the client's queue, as one behind it may be sent; so the
sender gives up, and throws the whole queue away, well before the first one expires.

Expiring at all is for a process that was stopped (SIGSTOP, a frozen machine) and wakes up when another has taken over:
what it had queued must not be sent then.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.errors import OrderBrokenError
from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.errors import error_of, is_final
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition

_log = logging.getLogger(__name__)
BATCH_RECORDS = 2000
MAX_UNACKNOWLEDGED_RECORDS = 200_000
MAX_UNACKNOWLEDGED_BYTES = 16 * 1024 * 1024
FIRST_WINDOW_BYTES = 2 * 1024 * 1024
BATCH_BYTES = 768 * 1024
"""2 000 rows of a sparse, wide file may be 100 MB of JSON, and the client's queue takes 64. Less than a request
(``batch.size``), and half of the first window at most: with the first request a whole batch is acknowledged then, and
makes room for the next. The rest of one would be waited for as long as it lingers, a second for each batch."""
_WINDOW_SHARE = 0.25
"""Of the time that a record has: what is queued should be gone by then, or records grow too old on a slow line."""
_POLL_S = 0.2
_DRAIN_POLL_S = 0.02
_LINGER_MS = 1000
"""How long a request waits for more records; what is waited for is hurried. librdkafka's thread for the broker asks the
kernel 100 000 times a second for something to do while the records in its queue are older than this and a request is
under way: a sixth of the throughput on two cores. So it is longer than a record is queued, where that is not the
network's doing."""
_LEVELS = {"gzip": 3}
"""The client's zlib is slow: level 3 is twice as fast as its own default, for a quarter more bytes."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch that Kafka has, with all before it.

    Attributes:
        records: how many records were acknowledged so far by this sender.
        size_bytes: how many bytes of values they were.
        last_line: ``_source_line`` of the last one.
        offset: its offset.
        place: the place behind the batch, where that is the end of a block.
        first_offset: the offset of the first record of this sender.
    """

    records: int
    size_bytes: int
    last_line: int
    offset: int
    place: SourcePosition | None
    first_offset: int = -1


@dataclass(slots=True)
class _Batch:
    queued_at: float
    records: int
    """How many of them are not acknowledged."""
    size_bytes: int
    last_line: int
    place: SourcePosition | None


def producer_config(
    client: dict[str, Any],
    *,
    compression: str,
    level: int | None,
    expiry_s: float,
    transactional_id: str | None = None,
    max_batch_bytes: int | None = None,
) -> dict[str, Any]:
    """Return librdkafka's configuration for a sender; what ``client`` says wins but for what the proof rests on.

    Args:
        client: how Kafka is reached, and what else was asked for.
        compression: ``compression.type``.
        level: ``compression.level``; None: what is sensible for the type.
        expiry_s: after which a record that was not sent is dropped.
        transactional_id: for transactions.
        max_batch_bytes: the topic's ``max.message.bytes``, the most that it takes as one batch; None: not known.
    """
    config: dict[str, Any] = {
        "linger.ms": _LINGER_MS,
        "batch.size": 1_000_000,
        "batch.num.messages": 100_000,
        "queue.buffering.max.messages": 10 * MAX_UNACKNOWLEDGED_RECORDS,
        "queue.buffering.max.kbytes": 4 * MAX_UNACKNOWLEDGED_BYTES // 1024,
        "statistics.interval.ms": 5000,
        "compression.type": compression,
        "compression.level": _LEVELS.get(compression, -1) if level is None else level,
        **client,
        "delivery.timeout.ms": round(expiry_s * 1000),
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
    }
    if max_batch_bytes is not None:
        config["batch.size"] = min(int(config["batch.size"]), max_batch_bytes)
    if transactional_id is not None:
        config |= {"transactional.id": transactional_id, "transaction.timeout.ms": config["delivery.timeout.ms"]}
    return config


class Sender:
    """Sends batches in order and keeps what is unacknowledged within bounds.

    Not for several threads: :meth:`send`, :meth:`poll` and :meth:`drain` are called by one.

    Args:
        config: from :func:`producer_config`.
        topic, partition: where to.
        delivery_timeout_s: how long a record may stay unacknowledged; well below the time after which it expires.
        next_offset: the offset that the first record must get; None: other writers are allowed, and only the order
            of the offsets is checked.
        on_acknowledged: told of each batch, in order.
        on_statistics: gets librdkafka's statistics, as JSON.

    Raises:
        SettingsError: the configuration is not valid.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        topic: str,
        partition: int,
        delivery_timeout_s: float,
        next_offset: int | None,
        on_acknowledged: Callable[[Acknowledged], None],
        on_statistics: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._delivery_timeout_s = delivery_timeout_s
        self._next_offset = next_offset
        self._first_offset = -1
        self._last_offset = -1
        self._on_acknowledged = on_acknowledged
        self._pending: deque[_Batch] = deque()
        self._pending_records = 0
        self._pending_bytes = 0
        self._records = 0
        self._size_bytes = 0
        self._began_at = time.monotonic()
        self._queued_at = 0.0
        self._failure: CsvPipeError | None = None
        self.retries = 0
        """How often librdkafka has reported trouble that it goes on after."""
        try:
            self.producer = BatchProducer(
                config,
                topic=topic,
                partition=partition,
                on_delivered=self._delivered,
                on_error=self._note_error,
                on_statistics=on_statistics,
            )
        except KafkaException as error:
            raise error_of(error) from error

    @property
    def unacknowledged(self) -> int:
        """How many records were sent and not acknowledged."""
        return self._pending_records

    @property
    def queued_until(self) -> float:
        """When a record was queued last (seconds since 1970); 0: every record is acknowledged.

        What was given up counts as not acknowledged: a request of it may still arrive.
        """
        return self._queued_at if self._pending else 0.0

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch may be queued: until what is unacknowledged with it is within bounds.

        Raises:
            CsvPipeError: the sender has failed, now or before.
        """
        size_bytes = records.size_bytes
        while self._pending_records and (
            self._pending_records + len(records) > MAX_UNACKNOWLEDGED_RECORDS
            or self._pending_bytes + size_bytes > self._window_bytes()
        ):
            self.poll(_POLL_S)

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch, for which :meth:`wait_for_capacity` has made room.

        Args:
            records: the values, one at least; none is longer than Kafka takes.
            last_line: the ``_source_line`` of the last one.
            place: the place behind it, where that is the end of a block.

        Raises:
            CsvPipeError: the sender has failed, now or before.
        """
        self.poll(0)
        size_bytes = records.size_bytes
        self._queued_at = time.time()
        self._pending.append(_Batch(time.monotonic(), len(records), size_bytes, last_line, place))
        self._pending_records += len(records)
        self._pending_bytes += size_bytes
        try:
            self.producer.produce(records)
        except KafkaException as error:
            # The queue has room, and no record is too long: what does not go in shows a fault. Records behind it may
            # be on their way; the next settle step finds that their offsets do not fit their lines.
            self._fail(error_of(error))
            self.check()
        finally:
            self._queued_at = time.time()  # once more: the process may have been frozen in between

    def poll(self, timeout_s: float) -> None:
        """Take acknowledgements, waiting up to ``timeout_s`` for the first.

        Raises:
            CsvPipeError: the sender has failed.
        """
        self.producer.poll(timeout_s)
        self._check_age()
        self.check()

    def drain(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all is acknowledged (True), or ``until`` says so (False).

        Raises:
            CsvPipeError: the sender has failed.
        """
        while self._pending:
            if until():
                return False
            self.producer.flush_soon()
            self.poll(_DRAIN_POLL_S)
        self.check()
        return True

    def close(self) -> None:
        """Give up what was not sent yet, so that nothing of it goes out later, and end the client's threads."""
        self._fail(TemporaryFailureError("the sender was closed"))
        self.producer.close()

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _window_bytes(self) -> float:
        """Return how many bytes may be unacknowledged: as many as Kafka has taken in a share of a record's time."""
        rate = self._size_bytes / max(time.monotonic() - self._began_at, 1e-3)
        return min(max(FIRST_WINDOW_BYTES, rate * self._delivery_timeout_s * _WINDOW_SHARE), MAX_UNACKNOWLEDGED_BYTES)

    def _delivered(self, error: KafkaError | None, records: int, first_offset: int) -> None:
        """Take what a request has come to, for the oldest ``records`` of those that are unacknowledged."""
        if self._failure is not None:
            return
        if error is not None:
            self._fail(error_of(KafkaException(error)))
        elif first_offset < 0:
            self._fail(TemporaryFailureError("Kafka has taken records, and does not know their offsets any more"))
        elif self._offset_is_right(first_offset):
            if self._first_offset < 0:
                self._first_offset = first_offset
            self._last_offset = first_offset + records - 1
            self._pending_records -= records
            while records:
                records -= self._acknowledge(records)

    def _acknowledge(self, records: int) -> int:
        """Take the oldest batch, or a part of it, out of those that are pending; return how many records that were."""
        batch = self._pending[0]
        count = min(batch.records, records)
        batch.records -= count
        self._records += count
        if not batch.records:
            self._pending.popleft()
            self._pending_bytes -= batch.size_bytes
            self._size_bytes += batch.size_bytes
            offset = self._last_offset - (records - count)
            self._on_acknowledged(
                Acknowledged(self._records, self._size_bytes, batch.last_line, offset, batch.place, self._first_offset),
            )
        return count

    def _offset_is_right(self, offset: int) -> bool:
        """Return whether the first of the records that come next may have this offset."""
        due = self._last_offset + 1 if self._next_offset is None else self._next_offset + self._records
        right = offset >= due if self._next_offset is None else offset == due
        if not right:
            row = self._pending[0].last_line
            self._fail(
                OrderBrokenError(
                    f"the batch up to row {row} goes on at offset {offset} where it must be {due}: somebody else "
                    f"writes to {self._topic}[{self._partition}]. Find out who; then look with csvpipe verify-topic at "
                    "what is there before the job goes on",
                    row=row,
                    offset=offset,
                    expected_offset=due,
                )
            )
        return right

    def _note_error(self, error: KafkaError) -> None:
        if is_final(error, worked_before=self._records > 0):
            self._fail(error_of(KafkaException(error)))
        else:
            self.retries += 1
            _log.warning("Kafka: %s", error.str())

    def _check_age(self) -> None:
        if self._pending and time.monotonic() - self._pending[0].queued_at > self._delivery_timeout_s:
            self._fail(
                TemporaryFailureError(
                    f"Kafka has not acknowledged row {self._pending[0].last_line} within "
                    f"{self._delivery_timeout_s:g} s (DELIVERY_TIMEOUT_S)"
                )
            )

    def _fail(self, failure: CsvPipeError) -> None:
        """Note the first failure, and throw the queue away as a whole: nothing may overtake what was not sent."""
        if self._failure is None:
            self._failure = failure
            self.producer.purge()
