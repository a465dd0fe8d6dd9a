"""The partition that a job sends to, in exclusive or transactional mode: its resume point and its sender."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from contracts.errors import TemporaryFailureError
from sequencer.errors import DataLostError
from sequencer.input.job_input import JobInput
from sequencer.job.in_flight import InFlight, arrived_by, fence_late_requests
from sequencer.job.resume_point import ResumePoint, check_records_kept, find_resume_point
from sequencer.kafka.client import ClientConfig
from sequencer.kafka.partition_reader import QUIET_S, LogRecord, LogTail, PartitionReader
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import Acknowledged, Sender
from sequencer.kafka.topic_options import Options, broker_options, topic_options
from sequencer.kafka.topic_requirements import check_topic
from sequencer.kafka.transactional_sender import TransactionalSender, TransactionLimits
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
OnAcknowledged = Callable[[Acknowledged], None]
_LAG_OPTION = "replica.lag.time.max.ms"
_DEFAULT_LAG_MS = 30_000
_LAG_FACTOR, _LAG_MARGIN_S = 1.5, 5.0
"""A leader checks every half of replica.lag.time.max.ms for followers that have not caught up for that long."""
_OPEN_TRANSACTIONS_S = 900.0
"""How long to wait for transactions of other producers; Kafka's own limit (transaction.max.timeout.ms)."""


class RecordSender(Protocol):
    """Sends records: see :class:`sequencer.kafka.sender.Sender`."""

    @property
    def retries(self) -> int:
        """Number of errors that the Kafka client has reported and recovered from."""

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch fits into the bounds for unacknowledged records."""

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch."""

    def poll(self, timeout_s: float) -> None:
        """Handle acknowledgements."""

    def drain(self, *, until: Callable[[], bool]) -> bool:
        """Wait until every record is acknowledged; return False if ``until`` returned true before that."""

    def close(self) -> None:
        """Drop what was not sent."""


class Target(Protocol):
    """The partition that a job sends to."""

    needs_lease: bool
    """Whether only the lease keeps a second process from sending."""

    def resume(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """Read the partition; return the resume point and the sender that continues from there.

        Raises:
            CsvPipeError: the partition's content forbids to resume, or Kafka is unavailable.
            StopRequestedError: a stop was requested.
        """

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        """Check that the partition still holds every record of the job.

        Raises:
            DataLostError: records were removed.
            TemporaryFailureError: Kafka does not answer.
            StopRequestedError: a stop was requested.
        """


class ExclusiveTarget:
    """A partition that only this job writes to, so that every record's offset is known before it is sent."""

    needs_lease = True

    def __init__(
        self, client: ClientConfig, *, settings: JobSettings, partition: PartitionRef, source: JobInput
    ) -> None:
        self._client = client
        self._settings = settings
        self._partition = partition
        self._names = source.names
        self._before_line = source.begin.line
        self._source_bytes = source.total_bytes
        self._in_flight = InFlight()

    def resume(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """See :class:`Target`."""
        with closing(PartitionReader(self._client, self._partition, stop=stop)) as log:
            options = _checked_options(log, self._client, self._settings, stop, source_bytes=self._source_bytes)
            tail = self._tail(log, options, checkpoint, stop)
            start = find_resume_point(
                checkpoint=checkpoint,
                tail=tail,
                names=self._names,
                append=self._settings.append,
                before_line=self._before_line,
                dead_letters=self._settings.on_bad_row == "dead-letter",
                find_first=lambda last: log.find_first(last, low=tail.low, names=self._names),
            )
        sender = Sender(
            replace(
                ProducerOptions.of(self._settings, self._client), max_batch_bytes=options.number("max.message.bytes")
            ),
            self._partition,
            next_offset=start.first_offset + start.sent,
            on_acknowledged=on_acknowledged,
            on_statistics=on_statistics,
        )
        self._in_flight.track(sender)
        return start, sender

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        """See :class:`Target`."""
        with closing(PartitionReader(self._client, self._partition, stop=stop)) as log:
            check_records_kept(checkpoint, low=log.ends()[0])

    def _tail(
        self, log: PartitionReader, options: Options, checkpoint: Checkpoint | None, stop: StopRequest
    ) -> LogTail:
        """Return the partition's tail once no request of an earlier attempt can arrive any more.

        First, requests that may still be in flight are waited for: they arrive, or Kafka rejects them by their age.
        Then the partition must be idle, as the end that Kafka reports may be behind what the leader holds.
        """
        in_flight_s = fence_late_requests(
            self._client, self._partition.topic, settings=self._settings, options=options, stop=stop
        )
        queued_until = self._in_flight.queued_until(checkpoint)
        if checkpoint is None and queued_until and not self._has_sent(log):
            # As far as can be seen, this is the first start. The partition must be idle all the same.
            quiet_s = self._quiet_s(log, stop)
        else:
            log.wait_until(arrived_by(queued_until, in_flight_s))
            quiet_s = self._quiet_s(log, stop) if queued_until else QUIET_S
        return log.tail(log.wait_until_idle(quiet_s))

    def _has_sent(self, log: PartitionReader) -> bool:
        """Return whether the last record is the job's own: then this is a later start even without a checkpoint."""
        last = log.tail(log.ends()).last
        return last is not None and last.line is not None and last.source_file in self._names

    def _quiet_s(self, log: PartitionReader, stop: StopRequest) -> float:
        """Return how long the partition must be idle before its end counts as final, if late requests are possible.

        The end that Kafka reports is what all in-sync replicas have. When one of them fails, that end does not advance
        until the leader removes it from the in-sync replicas, while the leader may hold more of what a killed process
        has sent. The lease does not help there, and an empty partition is no exception: without a checkpoint this may
        be the first start, or one after a process that was killed before its first acknowledgement and whose checkpoint
        is lost.
        """
        if log.replicas < 2:
            return QUIET_S
        lag_ms = broker_options(self._client, log.leader, stop=stop).number(_LAG_OPTION)
        if lag_ms is None:
            _log.warning(
                "Cannot read replica.lag.time.max.ms of the leader; using Kafka's default of 30 s",
                extra={**self._partition.fields, "broker": log.leader},
            )
        return quiet_s(_DEFAULT_LAG_MS if lag_ms is None else lag_ms)


def quiet_s(replica_lag_ms: int) -> float:
    """Return how long a replicated partition must be idle, from the leader's ``replica.lag.time.max.ms``."""
    return _LAG_FACTOR * replica_lag_ms / 1000 + _LAG_MARGIN_S


def _checked_options(
    log: PartitionReader,
    client: ClientConfig,
    settings: JobSettings,
    stop: StopRequest,
    *,
    source_bytes: int | None,
) -> Options:
    """Return the topic's options.

    Raises:
        TopicError: the partition does not exist.
        SettingsError: the topic cannot be used.
    """
    log.ends()  # fails if the partition does not exist or access is denied
    options = topic_options(client, settings.kafka_topic, stop=stop)
    check_topic(
        options,
        topic=settings.kafka_topic,
        replicas=log.replicas,
        require_durable=settings.require_durable_topic,
        source_bytes=source_bytes,
        max_record_bytes=settings.max_record_bytes,
    )
    return options


class TransactionalTarget:
    """A shared partition: Kafka fences a predecessor, and what that has committed is read from the partition."""

    needs_lease = False

    def __init__(
        self, client: ClientConfig, *, settings: JobSettings, job_id: str, partition: PartitionRef, source: JobInput
    ) -> None:
        self._client = client
        self._settings = settings
        self._job_id = job_id
        self._partition = partition
        self._names = source.names
        self._before_line = source.begin.line
        self._source_bytes = source.total_bytes

    def resume(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """See :class:`Target`. The predecessor's transaction has ended once the sender is created."""
        with closing(self._open_reader(stop, committed=False)) as log:
            # Before the sender, which would take a minute to report a failed authentication.
            options = _checked_options(log, self._client, self._settings, stop, source_bytes=self._source_bytes)
        sender = TransactionalSender(
            replace(
                ProducerOptions.of(self._settings, self._client),
                transactional_id=self._job_id,
                max_batch_bytes=options.number("max.message.bytes"),
            ),
            self._partition,
            limits=TransactionLimits(
                records=self._settings.transaction_records or 10 * self._settings.checkpoint_interval,
                open_s=self._settings.checkpoint_interval_s,
            ),
            stop=stop,
            on_acknowledged=on_acknowledged,
            on_statistics=on_statistics,
        )
        try:
            return self._find_resume_point(checkpoint, stop), sender
        except BaseException:
            sender.close()
            raise

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        """See :class:`Target`."""
        with closing(self._open_reader(stop, committed=False)) as log:
            check_records_kept(checkpoint, low=log.ends()[0])

    def _find_resume_point(self, checkpoint: Checkpoint | None, stop: StopRequest) -> ResumePoint:
        """Read the job's committed rows from the checkpoint on."""
        last_line = checkpoint.last_line if checkpoint else self._before_line
        sent = checkpoint.total_sent if checkpoint else 0
        first = checkpoint.first_offset if checkpoint and checkpoint.total_sent else -1
        last: LogRecord | None = None
        with (
            closing(self._open_reader(stop, committed=True)) as log,
            closing(self._open_reader(stop, committed=False)) as uncommitted,
        ):
            low, high = self._decided_ends(log, uncommitted)
            begin = low if checkpoint is None else self._first_unknown_offset(checkpoint, low, high)
            if checkpoint is not None:
                check_records_kept(checkpoint, low=low)
            for record in log.records(begin, high):
                if record.line is None or record.line < last_line or record.source_file not in self._names:
                    continue
                if record.line > last_line:
                    first = record.offset if first < 0 else first
                    last_line, sent = record.line, sent + 1
                last = record
        place = checkpoint.place if checkpoint else START
        return ResumePoint(high if first < 0 else first, last_line, sent, place, last)

    def _first_unknown_offset(self, checkpoint: Checkpoint, low: int, high: int) -> int:
        """Return the offset after the last one that the checkpoint knows.

        Raises:
            DataLostError: that record is lost, or retention has removed records after it.
        """
        begin = checkpoint.last_offset + 1
        if begin > high or (begin and low > begin):
            raise DataLostError(
                f"the last committed record was at offset {begin - 1} of {self._partition}, which now has offsets "
                f"{low} to {high - 1}: records are lost, or retention has removed records that the checkpoint does not "
                "cover. Use an empty partition and a new JOB_ID to send everything again",
                offset=begin - 1,
            )
        return max(low, begin)

    def _decided_ends(self, log: PartitionReader, uncommitted: PartitionReader) -> tuple[int, int]:
        """Return the ends once every open transaction has ended: records after it cannot be read before that."""
        _, high = uncommitted.ends()
        low, stable = log.ends()
        deadline = time.monotonic() + _OPEN_TRANSACTIONS_S
        if stable < high:
            _log.info(
                "Waiting for the open transaction of another producer",
                extra={**self._partition.fields, "offset": stable},
            )
        while stable < high:
            if time.monotonic() > deadline:
                raise TemporaryFailureError(
                    f"another producer has had a transaction open on {self._partition} for "
                    f"{_OPEN_TRANSACTIONS_S:.0f} s, at offset {stable}: later records cannot be read"
                )
            log.wait(QUIET_S)
            low, stable = log.ends()
        return low, stable

    def _open_reader(self, stop: StopRequest, *, committed: bool) -> PartitionReader:
        return PartitionReader(self._client, self._partition, committed=committed, stop=stop)
