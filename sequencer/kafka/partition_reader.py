"""Reads single records of a partition: its ends, its last record, and the first one of a job."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import TopicMetadata  # type: ignore[attr-defined]  # its own examples do so

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.errors import ForeignRecordsError, TopicError
from sequencer.kafka.connection import CLIENT_LOG, open_client, refusal
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
QUIET_S = 1.0
"""How long a log must be at rest before its end is believed: a killed process's last request may be in the broker's
hands. Should one come later all the same, the first acknowledged offset shows it."""
_IDLE_LIMIT_S = 30.0
"""How much longer than that a log may go on growing before whoever writes to it is taken for somebody else."""
_CALL_S = 15.0
_STEP_S = 3.0
"""After which a call that was not answered is looked at: a refused connection is told only between calls."""
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_EXCEPTION})
_POLL_S = 0.5
_BATCH_RECORDS = 4000
BATCH_BYTES = 8 * 1024 * 1024
"""About as much is held of a partition that is read; a record that is longer stands alone."""
_LONGEST_END = 8 * 1024
_END = re.compile(rb'"_source_line":([0-9]{1,18}),"_source_file":("(?:[^"\\]|\\.)*")\}\Z')


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record in the partition, as far as settling looks at it; ``line`` is None where it is none of a sequencer's."""

    offset: int
    line: int | None
    source_file: str
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class LogTail:
    """The ends of the partition: ``low`` is its first offset, ``high`` the next one; ``last`` its last record."""

    low: int
    high: int
    last: LogRecord | None


class PartitionReader:
    """One partition, read without a group and without committing anything.

    Args:
        client: librdkafka's configuration of the connection.
        topic, partition: what to read.
        committed: whether records of open and aborted transactions are passed over.
        stop: the wish to end early: reading and waiting end with :class:`sequencer.shutdown.StopRequestedError` then.

    Raises:
        SettingsError: an option of the connection is wrong.
        TemporaryFailureError: no token of IAM came.
    """

    def __init__(
        self,
        client: dict[str, Any],
        *,
        topic: str,
        partition: int,
        committed: bool = False,
        stop: StopRequest | None = None,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._where = f"{topic}[{partition}]"
        self._stop = stop or StopRequest()
        self._connection_error: KafkaError | None = None
        config = {
            **client,
            "group.id": "csvpipe-sequencer-settle",  # demanded by the client, never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 10,  # a second, unless set: most of the time nothing would be fetched
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "error_cb": self._note_connection_error,
        }
        self._consumer = open_client(lambda: Consumer(config, logger=CLIENT_LOG))
        self.replicas = 0
        """How many brokers hold the partition, as of the last call of :meth:`ends`."""
        self.leader = -1
        """The broker that leads it, as of then."""

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def ends(self) -> tuple[int, int]:
        """Return the partition's first offset, and the one that its next record gets.

        Raises:
            TopicError: there is no such partition.
            NotAllowedError, SettingsError: Kafka, or our own client, refuses the connection or the topic.
            TemporaryFailureError: Kafka does not answer.
        """
        try:
            topic = self._metadata()
            if topic.error is not None and topic.error.code() not in _NO_TOPIC:
                raise KafkaException(topic.error)
            if topic.error is not None or self._partition not in topic.partitions:
                raise TopicError(
                    f"{self._where} is not there; make the topic first, with enough partitions (or --create-topic)"
                )
            partition = topic.partitions[self._partition]
            self.replicas, self.leader = len(partition.replicas), partition.leader
            low, high = self._retry_in_steps(
                lambda: self._consumer.get_watermark_offsets(self._position(0), timeout=_STEP_S)
            )
        except KafkaException as error:
            raise self._failure(error.args[0]) from error
        return int(low), int(high)

    def ends_at_rest(self, quiet_s: float) -> tuple[int, int]:
        """Return the ends once nothing came for ``quiet_s``: a dead process's last request may be on its way.

        Raises:
            ForeignRecordsError: it does not come to rest, long after a dead process's requests have arrived.
        """
        first = ends = self.ends()
        began = since = looked_at = time.monotonic()
        if quiet_s > QUIET_S:
            _log.info("waiting until nothing has come to %s for %.0f s", self._where, quiet_s)
        while looked_at - since < quiet_s:
            self.wait(min(_POLL_S, quiet_s))
            looked_at = time.monotonic()
            before, ends = ends, self.ends()
            if ends[1] != before[1]:
                since = time.monotonic()
                if before[1] == first[1]:
                    _log.warning("somebody is still writing to %s; waiting until nothing more comes", self._where)
                if since - began > quiet_s + _IDLE_LIMIT_S:
                    raise self._not_idle_error(first[1], ends[1], since - began)
        return ends

    def _not_idle_error(self, first: int, high: int, seconds: float) -> ForeignRecordsError:
        return ForeignRecordsError(
            f"{self._where} does not come to rest: in {seconds:.0f} s it has grown from offset {first} to {high}, and "
            "nothing that this job has sent can be under way any more. Somebody else writes there: find out who; take "
            "a partition of the job's own, or --mode transactional",
            offset=first,
        )

    def wait_until(self, moment: float) -> None:
        """Wait until the clock shows ``moment`` (seconds since 1970).

        Raises:
            StopRequestedError: the job is to end.
        """
        if moment > time.time():
            _log.info(
                "waiting %.0f s: until then a request of an earlier try may still arrive at %s",
                moment - time.time(),
                self._where,
            )
        while (remaining_s := moment - time.time()) > 0:
            self.wait(min(remaining_s, _POLL_S))

    def wait(self, seconds: float) -> None:
        """Let time pass, whatever comes meanwhile, and take what the client tells of its connection.

        Raises:
            StopRequestedError: the job is to end.
        """
        self._stop.wait(seconds)
        self._stop.check()
        self._consumer.poll(0)

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

    def batches(self, begin: int, high: int) -> Iterator[tuple[list[int], list[bytes]]]:
        """Give offsets and values from ``begin`` on, below ``high``, as many at a time as memory is to hold."""
        for messages in self._consumed(begin, high):
            offsets = [message.offset() for message in messages]
            yield offsets, [message.value() or b"" for message in messages]  # type: ignore[misc]  # each has an offset

    def _messages(self, begin: int, high: int) -> Iterator[Message]:
        for messages in self._consumed(begin, high):
            yield from messages

    def _consumed(self, begin: int, high: int) -> Iterator[list[Message]]:
        """Give the messages from ``begin`` on, below ``high``; the end of what can be read ends them as well.

        The client counts messages only, so that as many are asked for as fit by the longest of those before.

        Raises:
            NotAllowedError: we may not read.
            StopRequestedError: the job is to end.
            TemporaryFailureError: Kafka does not answer, or retention has overtaken the reading.
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
                raise TemporaryFailureError(f"Kafka does not answer: {self._where} cannot be read")

    def _wanted(self, messages: list[Message], high: int) -> tuple[list[Message], bool]:
        """Return the messages before the end of what can be read, or before offset ``high``; and whether it came."""
        errors = [at for at, message in enumerate(messages) if message.error()]
        ended = False
        for at in errors:
            error = messages[at].error()
            if error is None or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # the client has looked for its group, which nobody needs
            if error.code() != KafkaError._PARTITION_EOF:
                raise refusal(error) or TemporaryFailureError(f"{self._where} cannot be read: {error.str()}")
            ended = True
        if errors:
            messages = [message for message in messages if not message.error()]
        if messages and int(messages[-1].offset() or 0) >= high:
            return [message for message in messages if int(message.offset() or 0) < high], True
        return messages, ended

    def find_first(self, last: LogRecord, *, low: int, names: Collection[str]) -> int:
        """Return the offset of the first record of the run that ``last`` ends.

        Within a run lines grow at least as fast as offsets (faster over dead letters), so a record belongs to it only
        if it is no more offsets than lines away from ``last``: a bisection finds where that begins.
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
        found: TopicMetadata = self._retry_in_steps(
            lambda: self._consumer.list_topics(self._topic, timeout=_STEP_S).topics[self._topic]
        )
        return found

    def _retry_in_steps(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask in steps for ``_CALL_S``; between two of them the client reports connections that were refused.

        Raises:
            KafkaException: the last step's.
            StopRequestedError: the job is to end.
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
        """Return what a failed call means; the trouble of the connection tells more than the call itself."""
        cause = "" if self._connection_error is None else f" ({self._connection_error.str()})"
        return (
            refusal(error) or self._refused() or TemporaryFailureError(f"Kafka does not answer: {error.str()}{cause}")
        )

    def _refused(self) -> CsvPipeError | None:
        return None if self._connection_error is None else refusal(self._connection_error)

    def _note_connection_error(self, error: KafkaError) -> None:
        """Keep what the client tells of its connections; that none is left says less than why."""
        if self._connection_error is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._connection_error = error

    def _last_between(self, begin: int, high: int) -> LogRecord | None:
        last: LogRecord | None = None
        for last in self.records(begin, high):  # noqa: B007  the last one is what is wanted
            pass
        return last

    def _position(self, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, self._partition, offset)


def parse(offset: int, value: bytes | None) -> LogRecord:
    """Return what a record's value tells; only its end is looked at, where a sequencer puts line and file."""
    found = _END.search(value or b"", max(0, len(value or b"") - _LONGEST_END))
    if found is None:
        return LogRecord(offset, None, "")
    return LogRecord(offset, int(found[1]), json.loads(found[2]), value or b"")


def _is_same_run(found: LogRecord, last: LogRecord, names: Collection[str]) -> bool:
    if found.line is None or found.source_file not in names or last.line is None:
        return False
    return last.line - found.line >= last.offset - found.offset
