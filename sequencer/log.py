"""Reads single records of a partition: its ends, its last record, and the first one of a job."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sequencer.client_log import CLIENT_LOG
from sequencer.errors import TopicError, TryAgainError
from sequencer.kafka_errors import error_of
from sequencer.settle import LogRecord, LogTail

_CALL_S = 15.0
_POLL_S = 0.5
_BATCH_RECORDS = 10_000
_LONGEST_END = 8 * 1024
_END = re.compile(rb'"_source_line":([0-9]{1,18}),"_source_file":("(?:[^"\\]|\\.)*")\}\Z')


class PartitionLog:
    """One partition, read without a group and without committing anything.

    Args:
        client: librdkafka's configuration of the connection.
        topic, partition: what to read.
        committed: whether records of open and aborted transactions are passed over.
    """

    def __init__(self, client: dict[str, Any], *, topic: str, partition: int, committed: bool = False) -> None:
        self._topic = topic
        self._partition = partition
        self._consumer = _consumer(
            {
                **client,
                "group.id": "csvpipe-sequencer-settle",  # demanded by the client, never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 10,  # a second, unless set: most of the time nothing would be fetched
                "isolation.level": "read_committed" if committed else "read_uncommitted",
            }
        )
        self.replicas = 0
        """On how many brokers the partition lies, once :meth:`ends` has looked."""

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def ends(self) -> tuple[int, int]:
        """Return the partition's first offset, and the one that its next record gets.

        Raises:
            TopicError: there is no such partition.
            TryAgainError: Kafka does not answer.
        """
        where = f"{self._topic}[{self._partition}]"
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_CALL_S).topics[self._topic]
            if topic.error is not None:
                raise error_of(KafkaException(topic.error))
            if self._partition not in topic.partitions:
                raise TopicError(f"{where} is not there; make the topic, with enough partitions, first")
            self.replicas = len(topic.partitions[self._partition].replicas)
            low, high = self._consumer.get_watermark_offsets(self._at(0), timeout=_CALL_S)
        except KafkaException as error:
            raise TryAgainError(f"Kafka does not answer: {error.args[0].str()}") from error
        return int(low), int(high)

    def ends_at_rest(self, quiet_s: float) -> tuple[int, int]:
        """Return the ends once nothing came for ``quiet_s``: a dead process's last request may be on its way."""
        ends, since = self.ends(), time.monotonic()
        while time.monotonic() - since < quiet_s:
            self.wait(min(_POLL_S, quiet_s))
            if (now := self.ends()) != ends:
                ends, since = now, time.monotonic()
        return ends

    def wait(self, seconds: float) -> None:
        """Let time pass, while the client serves its connection."""
        self._consumer.poll(seconds)

    def tail(self, ends: tuple[int, int]) -> LogTail:
        """Return the last record between ``ends``; the markers of transactions are none."""
        low, high = ends
        back = 1
        last = None
        while last is None and low < high:
            begin = max(low, high - back)
            last = self._last_between(begin, high)
            if begin == low:
                break
            back *= 4
        return LogTail(low=low, high=high, last=last)

    def at_or_after(self, offset: int, high: int) -> LogRecord | None:
        """Return the first record from ``offset`` on, below ``high``."""
        return next(self.records(offset, high), None)

    def records(self, begin: int, high: int) -> Iterator[LogRecord]:
        """Give the records from ``begin`` on, below ``high``."""
        return (parse(int(message.offset() or 0), message.value()) for message in self._messages(begin, high))

    def values(self, begin: int, high: int) -> Iterator[bytes]:
        """Give the values from ``begin`` on, below ``high``."""
        return (message.value() or b"" for message in self._messages(begin, high))

    def batches(self, begin: int, high: int, *, size: int) -> Iterator[tuple[list[int], list[bytes]]]:
        """Give offsets and values from ``begin`` on, below ``high``, up to ``size`` at a time."""
        for messages in self._consumed(begin, high, size):
            offsets = [message.offset() for message in messages]
            yield offsets, [message.value() or b"" for message in messages]  # type: ignore[misc]  # each has an offset

    def _messages(self, begin: int, high: int) -> Iterator[Message]:
        for messages in self._consumed(begin, high, _BATCH_RECORDS):
            yield from messages

    def _consumed(self, begin: int, high: int, size: int) -> Iterator[list[Message]]:
        """Give the messages from ``begin`` on, below ``high``; the end of what can be read ends them as well.

        Raises:
            TryAgainError: Kafka does not answer, or retention has overtaken the reading.
        """
        if begin >= high:
            return
        self._consumer.assign([self._at(begin)])
        deadline = time.monotonic() + _CALL_S
        while True:
            messages = self._consumer.consume(size, timeout=_POLL_S)
            wanted = self._wanted(messages, high)
            if wanted:
                yield wanted
                deadline = time.monotonic() + _CALL_S
            if len(wanted) < len(messages) or (wanted and wanted[-1].offset() == high - 1):
                return
            if time.monotonic() > deadline:
                raise TryAgainError(f"Kafka does not answer: {self._topic}[{self._partition}] cannot be read")

    def _wanted(self, messages: list[Message], high: int) -> list[Message]:
        """Return the messages before the end of what can be read, or before offset ``high``."""
        errors = [at for at, message in enumerate(messages) if message.error()]
        if errors:
            error = messages[errors[0]].error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise TryAgainError(f"{self._topic}[{self._partition}] cannot be read: {error.str()}")
            messages = messages[: errors[0]]
        if messages and int(messages[-1].offset() or 0) >= high:
            return [message for message in messages if int(message.offset() or 0) < high]
        return messages

    def find_first(self, last: LogRecord, *, low: int, names: Collection[str]) -> int:
        """Return the offset of the first record of the run that ``last`` ends.

        Within a run lines grow at least as fast as offsets (faster over dead letters), so a record belongs to it only
        if it is no more offsets than lines away from ``last``: a bisection finds where that begins.
        """
        begin, end = low, last.offset
        while begin < end:
            middle = (begin + end) // 2
            found = self.at_or_after(middle, last.offset + 1)
            if found is not None and _same_run(found, last, names):
                end = middle
            else:
                begin = middle + 1
        return begin

    def _last_between(self, begin: int, high: int) -> LogRecord | None:
        last: LogRecord | None = None
        for last in self.records(begin, high):  # noqa: B007  the last one is what is wanted
            pass
        return last

    def _at(self, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, self._partition, offset)


def parse(offset: int, value: bytes | None) -> LogRecord:
    """Return what a record's value tells; only its end is looked at, where a sequencer puts line and file."""
    found = _END.search(value or b"", max(0, len(value or b"") - _LONGEST_END))
    if found is None:
        return LogRecord(offset, None, "")
    return LogRecord(offset, int(found[1]), json.loads(found[2]), value or b"")


def _consumer(config: dict[str, Any]) -> Consumer:
    try:
        return Consumer(config, logger=CLIENT_LOG)
    except KafkaException as error:
        raise error_of(error) from error


def _same_run(found: LogRecord, last: LogRecord, names: Collection[str]) -> bool:
    if found.line is None or found.source_file not in names or last.line is None:
        return False
    return last.line - found.line >= last.offset - found.offset
