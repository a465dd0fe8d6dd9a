"""Sends in transactions, for a partition that others write to as well.

A record counts as acknowledged when its transaction is committed. ``init_transactions`` ends the transactions of a
predecessor with the same ``transactional.id`` and locks it out: whatever it still tries fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaException

from sequencer.kafka.errors import error_of
from sequencer.kafka.sender import Acknowledged, Sender
from sequencer.model.records import Records
from sequencer.model.source_position import SourcePosition
from sequencer.shutdown import StopRequest

_INIT_S = 60.0
_CALL_S = 2.0


class TransactionalSender:
    """As :class:`sequencer.kafka.sender.Sender`, with a commit after every so many records or seconds.

    Args:
        config: with a ``transactional.id``.
        topic, partition, delivery_timeout_s: as there.
        records: how many records a transaction has at most, about.
        seconds: how long one stays open at most, about.
        stop: the wish to end early, looked at while Kafka ends a predecessor's transaction.
        on_acknowledged: told of each committed transaction, by its last batch.
        on_statistics: gets librdkafka's statistics, as JSON.

    Raises:
        StopRequestedError: ``stop`` came first.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        topic: str,
        partition: int,
        delivery_timeout_s: float,
        records: int,
        seconds: float,
        stop: StopRequest,
        on_acknowledged: Callable[[Acknowledged], None],
        on_statistics: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sender = Sender(
            config,
            topic=topic,
            partition=partition,
            delivery_timeout_s=delivery_timeout_s,
            next_offset=None,
            on_acknowledged=self._note,
            on_statistics=on_statistics,
        )
        self._producer = self._sender.producer
        self._delivery_timeout_s = delivery_timeout_s
        self._limit_records = records
        self._limit_s = seconds
        self._on_acknowledged = on_acknowledged
        self._last: Acknowledged | None = None
        self._place: SourcePosition | None = None
        self._open_records = 0
        self._opened_at = 0.0
        try:
            with _errors():
                self._init_transactions(stop)
        except BaseException:
            self.close()  # or it would go on trying, and fence its own successor off
            raise

    def _init_transactions(self, stop: StopRequest) -> None:
        """Lock the predecessor out, in steps, each of which goes on with what the one before has begun.

        At the end of its time a step fails with whatever Kafka has said last, while the client goes on trying; what
        it fails with sooner is final.
        """
        deadline = time.monotonic() + _INIT_S
        while True:
            stop.check()
            began = time.monotonic()
            try:
                self._producer.init_transactions(_CALL_S)
            except KafkaException:
                if time.monotonic() - began < _CALL_S / 2 or time.monotonic() > deadline:
                    raise
            else:
                return

    @property
    def retries(self) -> int:
        """How often librdkafka has reported trouble that it goes on after."""
        return self._sender.retries

    @property
    def unacknowledged(self) -> int:
        """How many records are not committed."""
        return self._open_records

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch may be queued."""
        self._sender.wait_for_capacity(records)

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch in the open transaction, or in a new one (see :meth:`Sender.send`); commit where that is due.

        The time is looked at here as well: where rows never run short nobody polls, and Kafka would abort what has
        been open for longer than ``transaction.timeout.ms``.
        """
        if not self._open_records:
            with _errors():
                self._producer.begin_transaction()
            self._opened_at = time.monotonic()
        self._open_records += len(records)
        self._sender.send(records, last_line=last_line, place=place)
        if self._open_records >= self._limit_records or self._is_old():
            self._commit()

    def poll(self, timeout_s: float) -> None:
        """Commit what has been open for long enough; else take acknowledgements."""
        if self._open_records and self._is_old():
            self._commit()
        self._sender.poll(timeout_s)

    def drain(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Commit the open transaction; False: ``until`` said so first, and it is still open."""
        return not self._open_records or self._commit(until)

    def close(self) -> None:
        """Abort the open transaction, or leave that to its time limit, and end the client's threads."""
        self._sender.close()

    def check(self) -> None:
        """Raise the failure, if there was one."""
        self._sender.check()

    def _is_old(self) -> bool:
        return time.monotonic() - self._opened_at >= self._limit_s

    def _commit(self, until: Callable[[], bool] = lambda: False) -> bool:
        if not self._sender.drain(until=until):
            return False
        deadline = time.monotonic() + self._delivery_timeout_s
        with _errors():
            while True:
                try:
                    self._producer.commit_transaction(_CALL_S)  # again where it had no answer: the same commit
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
    """Turn the errors of a transaction into ours.

    Raises:
        CsvPipeError: as for any sender.
    """
    try:
        yield
    except KafkaException as error:
        raise error_of(error) from error
