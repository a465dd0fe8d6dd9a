"""Sends in transactions, for a partition that other producers write to as well.

A record counts as acknowledged when its transaction is committed. ``init_transactions`` ends the transactions of a
predecessor with the same ``transactional.id`` and fences it: all its later requests fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from confluent_kafka import KafkaException

from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.errors import error_of
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import Acknowledged, Sender
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition
from sequencer.shutdown import StopRequest


@dataclass(frozen=True, kw_only=True)
class TransactionLimits:
    """How long a transaction may be, and how long Kafka is waited for.

    Attributes:
        records: approximate number of records after which a transaction is committed.
        open_s: approximate time after which it is committed.
        init_s: how long to try to fence the predecessor.
        call_s: timeout of one call to Kafka.
    """

    records: int
    open_s: float
    init_s: float = 60.0
    call_s: float = 2.0


class TransactionalSender:
    """A :class:`sequencer.kafka.sender.Sender` that commits at regular intervals.

    Args:
        options: options of the producer, with a ``transactional_id``.
        partition: the partition to send to.
        limits: when to commit.
        stop: the stop request, checked while Kafka ends a predecessor's transaction.
        on_acknowledged: called for each committed transaction, with its last batch.
        on_statistics: called with librdkafka's statistics, as JSON.
        new_producer: creates the producer.

    Raises:
        StopRequestedError: a stop was requested before the predecessor was fenced.
    """

    def __init__(
        self,
        options: ProducerOptions,
        partition: PartitionRef,
        *,
        limits: TransactionLimits,
        stop: StopRequest,
        on_acknowledged: Callable[[Acknowledged], None],
        on_statistics: Callable[[str], None] = lambda _: None,
        new_producer: Callable[..., BatchProducer] = BatchProducer,
    ) -> None:
        self._sender = Sender(
            options,
            partition,
            next_offset=None,
            on_acknowledged=self._note,
            on_statistics=on_statistics,
            new_producer=new_producer,
        )
        self._producer = self._sender.producer
        self._delivery_timeout_s = options.delivery_timeout_s
        self._limits = limits
        self._on_acknowledged = on_acknowledged
        self._last: Acknowledged | None = None
        self._place: SourcePosition | None = None
        self._open_records = 0
        self._opened_at = 0.0
        try:
            with _errors():
                self._init_transactions(stop)
        except BaseException:
            self.close()  # else it would keep trying, and fence its own successor
            raise

    def _init_transactions(self, stop: StopRequest) -> None:
        """Fence the predecessor, in calls that each continue what the one before has started.

        A call that times out fails with the last error from Kafka while the client keeps trying; an earlier failure is
        final.
        """
        deadline = time.monotonic() + self._limits.init_s
        while True:
            stop.check()
            began = time.monotonic()
            try:
                self._producer.init_transactions(self._limits.call_s)
            except KafkaException:
                if time.monotonic() - began < self._limits.call_s / 2 or time.monotonic() > deadline:
                    raise
            else:
                return

    @property
    def retries(self) -> int:
        """Number of errors that librdkafka has reported and recovered from."""
        return self._sender.retries

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch fits into the bounds for unacknowledged records."""
        self._sender.wait_for_capacity(records)

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch in the open transaction or a new one (see :meth:`Sender.send`); commit if that is due.

        The age is checked here as well: while rows are always available nothing polls, and Kafka aborts transactions
        that are older than ``transaction.timeout.ms``.
        """
        if not self._open_records:
            with _errors():
                self._producer.begin_transaction()
            self._opened_at = time.monotonic()
        self._open_records += len(records)
        self._sender.send(records, last_line=last_line, place=place)
        if self._open_records >= self._limits.records or self._is_old():
            self._commit()

    def poll(self, timeout_s: float) -> None:
        """Commit the transaction if it is old enough; handle acknowledgements."""
        if self._open_records and self._is_old():
            self._commit()
        self._sender.poll(timeout_s)

    def drain(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Commit the open transaction; return False if ``until`` returned true before that, and it is still open."""
        return not self._open_records or self._commit(until)

    def close(self) -> None:
        """Abort the open transaction, or leave that to its timeout, and stop the client's threads."""
        self._sender.close()

    def check(self) -> None:
        """Raise the error that the sender has failed with, if any."""
        self._sender.check()

    def _is_old(self) -> bool:
        return time.monotonic() - self._opened_at >= self._limits.open_s

    def _commit(self, until: Callable[[], bool] = lambda: False) -> bool:
        if not self._sender.drain(until=until):
            return False
        deadline = time.monotonic() + self._delivery_timeout_s
        with _errors():
            while True:
                try:
                    self._producer.commit_transaction(
                        self._limits.call_s
                    )  # repeating it is safe: it is the same commit
                    break
                except KafkaException as error:
                    if not error.args[0].retriable() or until() or time.monotonic() > deadline:
                        raise
        self._open_records = 0
        if self._last is not None:
            last, self._last = self._last, None
            place, self._place = self._place, None
            self._on_acknowledged(replace(last, place=place))
        return True

    def _note(self, acknowledged: Acknowledged) -> None:
        self._last = acknowledged
        self._place = acknowledged.place or self._place


@contextmanager
def _errors() -> Iterator[None]:
    """Translate client errors.

    Raises:
        CsvPipeError: a call has failed.
    """
    try:
        yield
    except KafkaException as error:
        raise error_of(error) from error
