"""Sends records to one partition and checks the offsets that Kafka assigns to every batch.

Within one process, the idempotent producer keeps the order and prevents duplicates: librdkafka numbers the messages,
and the broker accepts each once and in that order. With ``enable.gapless.guarantee`` a message that the broker rejects
is fatal for all messages after it. That does not hold for a message that expires in the client's queue, as a later one
may still be sent; so the sender gives up, and drops the whole queue, well before the first message expires.

Messages expire at all because of a process that was suspended (SIGSTOP, a paused machine) and resumes when another one
has taken over: what it had queued must not be sent then.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.errors import OrderBrokenError
from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.errors import error_of, is_final
from sequencer.kafka.producer_options import MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_RECORDS, ProducerOptions
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition

_log = logging.getLogger(__name__)
BATCH_RECORDS = 2000
FIRST_WINDOW_BYTES = 2 * 1024 * 1024
BATCH_BYTES = 768 * 1024
"""2,000 rows of a sparse, wide file may be 100 MB of JSON, and the client's queue holds 64. Less than a request
(``batch.size``) and at most half of the first window: the first request then acknowledges a whole batch, which frees
capacity for the next one. Otherwise the rest of a batch would be waited for as long as it lingers, a second each."""
_WINDOW_SHARE = 0.25
"""Share of a record's delivery timeout in which the queue should be sent; else records grow too old on a slow link."""
_POLL_S = 0.2
_DRAIN_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An acknowledged batch; every batch before it is acknowledged as well.

    Attributes:
        records: number of records that this sender has had acknowledged so far.
        size_bytes: total size of their values.
        last_line: ``_source_line`` of the last one.
        offset: offset of the last one.
        place: source position after the batch, if the batch ends a block.
        first_offset: offset of the first record of this sender.
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
    """Number of records that are not acknowledged yet."""
    size_bytes: int
    last_line: int
    place: SourcePosition | None


class Sender:
    """Sends batches in order and bounds what is unacknowledged. Not thread-safe.

    Args:
        options: options of the producer.
        partition: the partition to send to.
        next_offset: the offset that the first record must get, or None if others may write to the partition; then only
            the order of the offsets is checked.
        on_acknowledged: called for each batch, in order.
        on_statistics: called with librdkafka's statistics, as JSON.
        new_producer: creates the producer.

    Raises:
        SettingsError: an option is invalid.
    """

    def __init__(
        self,
        options: ProducerOptions,
        partition: PartitionRef,
        *,
        next_offset: int | None,
        on_acknowledged: Callable[[Acknowledged], None],
        on_statistics: Callable[[str], None] = lambda _: None,
        new_producer: Callable[..., BatchProducer] = BatchProducer,
    ) -> None:
        self._partition = partition
        self._delivery_timeout_s = options.delivery_timeout_s
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
        """Number of errors that librdkafka has reported and recovered from."""
        try:
            self.producer = new_producer(
                options.config(),
                partition,
                library=options.library,
                on_delivered=self._delivered,
                on_error=self._note_error,
                on_statistics=on_statistics,
            )
        except KafkaException as error:
            raise error_of(error) from error

    @property
    def queued_until(self) -> float:
        """When a record was last queued (Unix time), or 0 if every record is acknowledged.

        Abandoned records count as unacknowledged: a request with them may still arrive.
        """
        return self._queued_at if self._pending else 0.0

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch fits into the bounds for unacknowledged records.

        Raises:
            CsvPipeError: the sender has failed.
        """
        size_bytes = records.size_bytes
        while self._pending_records and (
            self._pending_records + len(records) > MAX_UNACKNOWLEDGED_RECORDS
            or self._pending_bytes + size_bytes > self._window_bytes()
        ):
            self.poll(_POLL_S)

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch after :meth:`wait_for_capacity`.

        Args:
            records: the values, at least one; none is longer than Kafka accepts.
            last_line: ``_source_line`` of the last one.
            place: source position after it, if the batch ends a block.

        Raises:
            CsvPipeError: the sender has failed.
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
            # The queue has capacity, and no record is too long, so this is a defect. Later records may be in flight;
            # the next start finds that their offsets do not match their lines.
            self._fail(error_of(error))
            self.check()
        finally:
            self._queued_at = time.time()  # again: the process may have been suspended in between

    def poll(self, timeout_s: float) -> None:
        """Handle acknowledgements, waiting up to ``timeout_s`` for the first one.

        Raises:
            CsvPipeError: the sender has failed.
        """
        self.producer.poll(timeout_s)
        self._check_age()
        self.check()

    def drain(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until every record is acknowledged; return False if ``until`` returned true before that.

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
        """Drop what was not sent, so that nothing is sent later, and stop the client's threads."""
        self._fail(TemporaryFailureError("the sender was closed"))
        self.producer.close()

    def check(self) -> None:
        """Raise the error that the sender has failed with, if any."""
        if self._failure is not None:
            raise self._failure

    def _window_bytes(self) -> float:
        """Return how many bytes may be unacknowledged: what Kafka accepts in a share of the delivery timeout."""
        rate = self._size_bytes / max(time.monotonic() - self._began_at, 1e-3)
        return min(max(FIRST_WINDOW_BYTES, rate * self._delivery_timeout_s * _WINDOW_SHARE), MAX_UNACKNOWLEDGED_BYTES)

    def _delivered(self, error: KafkaError | None, records: int, first_offset: int) -> None:
        """Handle the outcome of a request, which concerns the oldest ``records`` unacknowledged records."""
        if self._failure is not None:
            return
        if error is not None:
            self._fail(error_of(KafkaException(error)))
        elif first_offset < 0:
            self._fail(TemporaryFailureError("Kafka accepted records but no longer knows their offsets"))
        elif self._offset_is_right(first_offset):
            if self._first_offset < 0:
                self._first_offset = first_offset
            self._last_offset = first_offset + records - 1
            self._pending_records -= records
            while records:
                records -= self._acknowledge(records)

    def _acknowledge(self, records: int) -> int:
        """Acknowledge up to ``records`` records of the oldest pending batch; return their number."""
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
        """Return whether the next record in order may have this offset."""
        due = self._last_offset + 1 if self._next_offset is None else self._next_offset + self._records
        right = offset >= due if self._next_offset is None else offset == due
        if not right:
            row = self._pending[0].last_line
            self._fail(
                OrderBrokenError(
                    f"Kafka assigned offset {offset} in the batch up to row {row}, expected {due}: another producer "
                    f"writes to {self._partition}. Find it; then check the partition with csvpipe verify-topic before "
                    "the job is resumed",
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
            _log.warning("Kafka client reported an error", extra={**self._partition.fields, "error": error.str()})

    def _check_age(self) -> None:
        if self._pending and time.monotonic() - self._pending[0].queued_at > self._delivery_timeout_s:
            self._fail(
                TemporaryFailureError(
                    f"Kafka did not acknowledge row {self._pending[0].last_line} within "
                    f"{self._delivery_timeout_s:g} s (DELIVERY_TIMEOUT_S)"
                )
            )

    def _fail(self, failure: CsvPipeError) -> None:
        """Keep the first failure and drop the whole queue: nothing may overtake what was not sent."""
        if self._failure is None:
            self._failure = failure
            self.producer.purge()
