"""Reads one partition: its ends, its last record, and the first record of a job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import TopicMetadata  # type: ignore[attr-defined]  # its own examples do so

from contracts.errors import CsvPipeError, TemporaryFailureError
from contracts.record import parse_record_end
from sequencer.errors import ForeignRecordsError, TopicError
from sequencer.kafka.client import CLIENT_LOG, ClientConfig, open_client
from sequencer.kafka.errors import refusal
from sequencer.model.partition import PartitionRef
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
QUIET_S = 1.0
"""How long a partition must be idle before its end counts as final: the last request of a killed process may still be
queued in the broker. If one arrives even later, the first acknowledged offset reveals it."""
_IDLE_LIMIT_S = 30.0
"""How much longer than that a partition may keep growing before its writer counts as another producer."""
_CALL_S = 15.0
_STEP_S = 3.0
"""Timeout of one call: the client reports a refused connection only between calls."""
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_EXCEPTION})
_POLL_S = 0.5
_BATCH_RECORDS = 4000
BATCH_BYTES = 8 * 1024 * 1024
"""Approximate size of the records held in memory while reading; a longer record is read alone."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """The facts of a record that resuming needs; ``line`` is None if the record was not written by a sequencer."""

    offset: int
    line: int | None
    source_file: str
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class LogTail:
    """The end of a partition: ``low`` is its first offset, ``high`` its next one, ``last`` its last record."""

    low: int
    high: int
    last: LogRecord | None


class PartitionReader:
    """Reads one partition without a consumer group and without committing offsets.

    Args:
        client: connection properties.
        partition: the partition to read.
        committed: whether to skip records of open and aborted transactions.
        stop: the stop request; after it, reading and waiting raise :class:`sequencer.shutdown.StopRequestedError`.

    Raises:
        SettingsError: a connection option is invalid.
        TemporaryFailureError: no IAM token arrived in time.
    """

    def __init__(
        self,
        client: ClientConfig,
        partition: PartitionRef,
        *,
        committed: bool = False,
        stop: StopRequest | None = None,
    ) -> None:
        self._partition = partition
        self._stop = stop or StopRequest()
        self._connection_error: KafkaError | None = None
        config = {
            **client,
            "group.id": "csvpipe-sequencer",  # required by the client, never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 10,  # the default of a second would leave the client idle most of the time
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "error_cb": self._note_connection_error,
        }
        self._consumer = open_client(lambda: Consumer(config, logger=CLIENT_LOG))
        self.replicas = 0
        """Number of replicas of the partition, as of the last call of :meth:`ends`."""
        self.leader = -1
        """Broker id of the leader, as of the last call of :meth:`ends`."""

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def ends(self) -> tuple[int, int]:
        """Return the partition's first offset, and the offset of its next record.

        Raises:
            TopicError: the partition does not exist.
            NotAllowedError, SettingsError: Kafka, or the client itself, refuses the connection or the topic.
            TemporaryFailureError: Kafka does not answer.
        """
        try:
            topic = self._metadata()
            if topic.error is not None and topic.error.code() not in _NO_TOPIC:
                raise KafkaException(topic.error)
            if topic.error is not None or self._partition.partition not in topic.partitions:
                raise TopicError(
                    f"partition {self._partition} does not exist. Create the topic first, with enough partitions (or "
                    "use --create-topic)"
                )
            partition = topic.partitions[self._partition.partition]
            self.replicas, self.leader = len(partition.replicas), partition.leader
            low, high = self._retry_in_steps(
                lambda: self._consumer.get_watermark_offsets(self._position(0), timeout=_STEP_S)
            )
        except KafkaException as error:
            raise self._failure(error.args[0]) from error
        return int(low), int(high)

    def wait_until_idle(self, quiet_s: float) -> tuple[int, int]:
        """Return the ends once nothing was appended for ``quiet_s``: a dead process's last request may be in flight.

        Raises:
            ForeignRecordsError: the partition keeps growing, long after a dead process's requests have arrived.
        """
        first = ends = self.ends()
        began = since = checked_at = time.monotonic()
        if quiet_s > QUIET_S:
            _log.info(
                "Waiting for the partition to be idle", extra={**self._partition.fields, "duration_s": round(quiet_s)}
            )
        while checked_at - since < quiet_s:
            self.wait(min(_POLL_S, quiet_s))
            checked_at = time.monotonic()
            before, ends = ends, self.ends()
            if ends[1] != before[1]:
                since = time.monotonic()
                if before[1] == first[1]:
                    _log.warning(
                        "Partition is still being written to; waiting for it to be idle", extra=self._partition.fields
                    )
                if since - began > quiet_s + _IDLE_LIMIT_S:
                    raise self._not_idle_error(first[1], ends[1], since - began)
        return ends

    def _not_idle_error(self, first: int, high: int, seconds: float) -> ForeignRecordsError:
        return ForeignRecordsError(
            f"{self._partition} is still being written to: in {seconds:.0f} s it has grown from offset {first} to "
            f"{high}, and no request of this job can still be in flight. Find the other writer; then use a partition "
            "that only this job writes to, or --mode transactional",
            offset=first,
        )

    def wait_until(self, timestamp: float) -> None:
        """Wait until the wall clock reaches ``timestamp`` (Unix time).

        Raises:
            StopRequestedError: a stop was requested.
        """
        if timestamp > time.time():
            _log.info(
                "Waiting for late requests of an earlier attempt",
                extra={**self._partition.fields, "duration_s": round(timestamp - time.time())},
            )
        while (remaining_s := timestamp - time.time()) > 0:
            self.wait(min(remaining_s, _POLL_S))

    def wait(self, seconds: float) -> None:
        """Wait, and handle what the client reports about its connections.

        Raises:
            StopRequestedError: a stop was requested.
        """
        self._stop.wait(seconds)
        self._stop.check()
        self._consumer.poll(0)

    def tail(self, ends: tuple[int, int]) -> LogTail:
        """Return the last record between ``ends``; transaction markers are not records."""
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
        """Return the first record at or after ``offset`` and before ``high``, or None."""
        return next(self.records(offset, high), None)

    def records(self, begin: int, high: int) -> Iterator[LogRecord]:
        """Yield the records from ``begin`` to ``high``, exclusive."""
        return (parse(int(message.offset() or 0), message.value()) for message in self._messages(begin, high))

    def values(self, begin: int, high: int) -> Iterator[bytes]:
        """Yield the values from ``begin`` to ``high``, exclusive."""
        return (message.value() or b"" for message in self._messages(begin, high))

    def batches(self, begin: int, high: int) -> Iterator[tuple[list[int], list[bytes]]]:
        """Yield lists of offsets and values from ``begin`` to ``high``, exclusive, of about ``BATCH_BYTES``."""
        for messages in self._consumed(begin, high):
            offsets = [message.offset() for message in messages]
            yield offsets, [message.value() or b"" for message in messages]  # type: ignore[misc]  # each has an offset

    def _messages(self, begin: int, high: int) -> Iterator[Message]:
        for messages in self._consumed(begin, high):
            yield from messages

    def _consumed(self, begin: int, high: int) -> Iterator[list[Message]]:
        """Yield the messages from ``begin`` to ``high``, exclusive, or to the end of the partition.

        The client limits a fetch by count only, so the count follows from the longest message seen before.

        Raises:
            NotAllowedError: the topic may not be read.
            StopRequestedError: a stop was requested.
            TemporaryFailureError: Kafka does not answer, or retention has overtaken the reader.
        """
        if begin >= high:
            return
        self._consumer.assign([self._position(begin)])
        deadline = time.monotonic() + _CALL_S
        count = 1
        while True:
            self._stop.check()
            messages = self._consumer.consume(count, timeout=_POLL_S)
            if messages:
                fits = BATCH_BYTES // max(1, *(len(message) for message in messages))
                count = max(1, min(fits, 2 * count, _BATCH_RECORDS))
            wanted, ended = self._wanted(messages, high)
            if wanted:
                yield wanted
                deadline = time.monotonic() + _CALL_S
            if ended or (wanted and wanted[-1].offset() == high - 1):
                return
            if time.monotonic() > deadline:
                raise TemporaryFailureError(f"Kafka does not answer: {self._partition} cannot be read")

    def _wanted(self, messages: list[Message], high: int) -> tuple[list[Message], bool]:
        """Return the messages before offset ``high`` or the end of the partition, and whether that was reached."""
        errors = [at for at, message in enumerate(messages) if message.error()]
        ended = False
        for at in errors:
            error = messages[at].error()
            if error is None or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # the client looks up its group, which is not used
            if error.code() != KafkaError._PARTITION_EOF:
                raise refusal(error) or TemporaryFailureError(f"{self._partition} cannot be read: {error.str()}")
            ended = True
        if errors:
            messages = [message for message in messages if not message.error()]
        if messages and int(messages[-1].offset() or 0) >= high:
            return [message for message in messages if int(message.offset() or 0) < high], True
        return messages, ended

    def find_first(self, last: LogRecord, *, low: int, names: Collection[str]) -> int:
        """Return the offset of the first record of the run that ends with ``last``.

        Within a run, lines grow at least as fast as offsets (faster over dead letters). So a record belongs to the run
        only if its distance to ``last`` in offsets is at most that in lines; a bisection finds the first such record.
        """
        begin, end = low, last.offset
        while begin < end:
            middle = (begin + end) // 2
            found = self.at_or_after(middle, last.offset + 1)
            if found is not None and _is_same_run(found, last, names):
                end = middle
            else:
                begin = middle + 1
        return begin

    def _metadata(self) -> TopicMetadata:
        self._connection_error = None
        topic = self._partition.topic
        found: TopicMetadata = self._retry_in_steps(
            lambda: self._consumer.list_topics(topic, timeout=_STEP_S).topics[topic]
        )
        return found

    def _retry_in_steps(self, ask: Callable[[], _Answer]) -> _Answer:
        """Repeat a call for ``_CALL_S``; the client reports refused connections between two calls.

        Raises:
            KafkaException: the last call failed.
            StopRequestedError: a stop was requested.
        """
        deadline = time.monotonic() + _CALL_S
        while True:
            try:
                return ask()
            except KafkaException:
                self.wait(_POLL_S)
                if self._refused() is not None or time.monotonic() > deadline:
                    raise

    def _failure(self, error: KafkaError) -> CsvPipeError:
        """Return what a failed call means; an error of the connection is more specific than that of the call."""
        cause = "" if self._connection_error is None else f" ({self._connection_error.str()})"
        return (
            refusal(error) or self._refused() or TemporaryFailureError(f"Kafka does not answer: {error.str()}{cause}")
        )

    def _refused(self) -> CsvPipeError | None:
        return None if self._connection_error is None else refusal(self._connection_error)

    def _note_connection_error(self, error: KafkaError) -> None:
        """Keep the reason of a failed connection rather than the fact that no broker is left."""
        if self._connection_error is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._connection_error = error

    def _last_between(self, begin: int, high: int) -> LogRecord | None:
        last: LogRecord | None = None
        for last in self.records(begin, high):  # noqa: B007  only the last one matters
            pass
        return last

    def _position(self, offset: int) -> TopicPartition:
        return TopicPartition(self._partition.topic, self._partition.partition, offset)


def parse(offset: int, value: bytes | None) -> LogRecord:
    """Parse line and file from the end of a record's value, where a sequencer writes them."""
    end = parse_record_end(value or b"")
    if end is None:
        return LogRecord(offset, None, "")
    return LogRecord(offset, end.line, end.file, value or b"")


def _is_same_run(found: LogRecord, last: LogRecord, names: Collection[str]) -> bool:
    if found.line is None or found.source_file not in names or last.line is None:
        return False
    return last.line - found.line >= last.offset - found.offset
