"""The partition that a job sends to, in one of its two modes: where to go on, and what sends from there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import closing
from typing import Any, Protocol

from contracts.errors import TemporaryFailureError
from sequencer.errors import DataLostError
from sequencer.job.in_flight import InFlight, arrived_by
from sequencer.job.resume import ResumePoint, check_records_kept, find_resume_point
from sequencer.kafka.partition_reader import QUIET_S, LogRecord, LogTail, PartitionReader
from sequencer.kafka.sender import Acknowledged, Sender, producer_config
from sequencer.kafka.timestamp_fence import fence
from sequencer.kafka.topic_options import Options, broker_options, topic_options
from sequencer.kafka.topic_requirements import check_topic
from sequencer.kafka.transactional_sender import TransactionalSender
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.records import Records
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
OnAcknowledged = Callable[[Acknowledged], None]
_LAG_OPTION = "replica.lag.time.max.ms"
_DEFAULT_LAG_MS = 30_000
_LAG_FACTOR, _LAG_MARGIN_S = 1.5, 5.0
"""A leader looks each half of replica.lag.time.max.ms for followers that have not caught up for that long."""
_OPEN_TRANSACTIONS_S = 900.0
"""How long the transactions of others are waited for; Kafka's own limit for them (transaction.max.timeout.ms)."""


class RecordSender(Protocol):
    """What sends records: see :class:`sequencer.kafka.sender.Sender`."""

    @property
    def retries(self) -> int:
        """How often Kafka's client has reported trouble that it goes on after."""

    def wait_for_capacity(self, records: Records) -> None:
        """Wait until a batch may be queued."""

    def send(self, records: Records, *, last_line: int, place: SourcePosition | None) -> None:
        """Queue one batch, for which there is room."""

    def poll(self, timeout_s: float) -> None:
        """Take acknowledgements."""

    def drain(self, *, until: Callable[[], bool]) -> bool:
        """Wait until all is acknowledged (True), or ``until`` says so (False)."""

    def close(self) -> None:
        """Give up what was not sent yet."""


class Target(Protocol):
    """One partition."""

    needs_lease: bool
    """Whether nothing but the lease keeps two processes apart."""

    def begin(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """Look at the log; return where the job goes on and what sends from there.

        Raises:
            CsvPipeError: the log says that the job must not go on, or Kafka is away.
            StopRequestedError: ``stop`` came first.
        """

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        """Check that the partition still holds every record of the job.

        Raises:
            DataLostError: it does not.
            TemporaryFailureError: Kafka does not answer.
            StopRequestedError: ``stop`` came first.
        """


class ExclusiveTarget:
    """A partition that the job has for itself, so that every record's offset is known before it is sent."""

    needs_lease = True

    def __init__(
        self,
        client: dict[str, Any],
        *,
        settings: JobSettings,
        partition: int,
        names: Collection[str],
        before_line: int,
        source_bytes: int | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._partition = partition
        self._names = names
        self._before_line = before_line
        self._source_bytes = source_bytes
        self._in_flight = InFlight()

    def begin(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """See :class:`Target`."""
        topic = self._settings.kafka_topic
        with closing(PartitionReader(self._client, topic=topic, partition=self._partition, stop=stop)) as log:
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
            producer_config(
                self._client,
                compression=self._settings.compression,
                level=self._settings.compression_level,
                expiry_s=self._settings.expiry_s,
                max_batch_bytes=options.number("max.message.bytes"),
            ),
            topic=topic,
            partition=self._partition,
            delivery_timeout_s=self._settings.delivery_timeout_s,
            next_offset=start.first_offset + start.sent,
            on_acknowledged=on_acknowledged,
            on_statistics=on_statistics,
        )
        self._in_flight.follow(sender)
        return start, sender

    def check_records_kept(self, checkpoint: Checkpoint, *, stop: StopRequest) -> None:
        """See :class:`Target`."""
        with closing(
            PartitionReader(self._client, topic=self._settings.kafka_topic, partition=self._partition, stop=stop)
        ) as log:
            check_records_kept(checkpoint, low=log.ends()[0], where=f"{checkpoint.topic}[{checkpoint.partition}]")

    def _tail(
        self, log: PartitionReader, options: Options, checkpoint: Checkpoint | None, stop: StopRequest
    ) -> LogTail:
        """Return the log's tail once nothing more can come to it from earlier tries.

        First every request that may still be on its way is waited for: it arrives, or Kafka refuses it by its age.
        Then the log has to be at rest, as the end that Kafka reports may be behind what the leader holds.
        """
        settings = self._settings
        limit_s = fence(
            self._client,
            topic=settings.kafka_topic,
            expiry_s=settings.expiry_s,
            may_set=settings.fence,
            stop=stop,
            options=options,
        )
        queued_until = self._in_flight.queued_until(checkpoint)
        if checkpoint is None and queued_until and not self._has_sent(log):
            # The first start, as far as can be seen. The rest of the log is waited for all the same.
            quiet_s = self._quiet_s(log, stop)
        else:
            log.wait_until(arrived_by(queued_until, limit_s=limit_s, unfenced_s=settings.lease_s))
            quiet_s = self._quiet_s(log, stop) if queued_until else QUIET_S
        return log.tail(log.ends_at_rest(quiet_s))

    def _has_sent(self, log: PartitionReader) -> bool:
        """Return whether the last record is the job's own: without a checkpoint it is a later start all the same."""
        last = log.tail(log.ends()).last
        return last is not None and last.line is not None and last.source_file in self._names

    def _quiet_s(self, log: PartitionReader, stop: StopRequest) -> float:
        """Return how long the log must be at rest before its end is believed, where something may have come late.

        The end of the log that Kafka reports is what all replicas in sync have. When one of them fails, it stands
        still until the leader drops that one from those in sync, while the leader may hold more of what a killed
        process has sent. The lease does not help there, and an empty partition is no exception: without a checkpoint
        it may be a first start, or one after a process that was killed before its first acknowledgement, and whose
        checkpoint is lost.
        """
        if log.replicas < 2:
            return QUIET_S
        lag_ms = broker_options(self._client, log.leader, stop=stop).number(_LAG_OPTION)
        if lag_ms is None:
            _log.warning("%s of broker %d is not known; taking Kafka's default of 30 s", _LAG_OPTION, log.leader)
        return quiet_s(_DEFAULT_LAG_MS if lag_ms is None else lag_ms)


def quiet_s(replica_lag_ms: int) -> float:
    """Return how long a log with replicas must be at rest, from the leader's ``replica.lag.time.max.ms``."""
    return _LAG_FACTOR * replica_lag_ms / 1000 + _LAG_MARGIN_S


def _checked_options(
    log: PartitionReader,
    client: dict[str, Any],
    settings: JobSettings,
    stop: StopRequest,
    *,
    source_bytes: int | None,
) -> Options:
    """Return the topic's options.

    Raises:
        TopicError: there is no such partition.
        SettingsError: the topic cannot be used.
    """
    log.ends()  # is it there, and are we let in?
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
    """A partition that is shared: Kafka fences a predecessor off, and what it has committed is read from the log."""

    needs_lease = False

    def __init__(
        self,
        client: dict[str, Any],
        *,
        settings: JobSettings,
        job_id: str,
        partition: int,
        names: Collection[str],
        before_line: int,
        source_bytes: int | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._job_id = job_id
        self._partition = partition
        self._names = names
        self._before_line = before_line
        self._source_bytes = source_bytes

    def begin(
        self,
        checkpoint: Checkpoint | None,
        *,
        stop: StopRequest,
        on_acknowledged: OnAcknowledged,
        on_statistics: Callable[[str], None],
    ) -> tuple[ResumePoint, RecordSender]:
        """See :class:`Target`. The predecessor's transaction is over once the sender is made."""
        with closing(self._log(stop, committed=False)) as log:
            # Before the sender, which would try for a minute to find out that it is not let in.
            options = _checked_options(log, self._client, self._settings, stop, source_bytes=self._source_bytes)
        sender = TransactionalSender(
            producer_config(
                self._client,
                compression=self._settings.compression,
                level=self._settings.compression_level,
                expiry_s=self._settings.expiry_s,
                transactional_id=self._job_id,
                max_batch_bytes=options.number("max.message.bytes"),
            ),
            topic=self._settings.kafka_topic,
            partition=self._partition,
            delivery_timeout_s=self._settings.delivery_timeout_s,
            records=self._settings.transaction_records or 10 * self._settings.checkpoint_interval,
            seconds=self._settings.checkpoint_interval_s,
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
        with closing(self._log(stop, committed=False)) as log:
            check_records_kept(checkpoint, low=log.ends()[0], where=f"{checkpoint.topic}[{checkpoint.partition}]")

    def _find_resume_point(self, checkpoint: Checkpoint | None, stop: StopRequest) -> ResumePoint:
        """Follow the job's committed rows from the checkpoint on."""
        last_line = checkpoint.last_line if checkpoint else self._before_line
        sent = checkpoint.total_sent if checkpoint else 0
        first = checkpoint.first_offset if checkpoint and checkpoint.total_sent else -1
        last: LogRecord | None = None
        with closing(self._log(stop, committed=True)) as log, closing(self._log(stop, committed=False)) as everything:
            low, high = self._decided_ends(log, everything)
            begin = low if checkpoint is None else self._begin(checkpoint, low, high)
            if checkpoint is not None:
                check_records_kept(checkpoint, low=low, where=f"{checkpoint.topic}[{checkpoint.partition}]")
            for record in log.records(begin, high):
                if record.line is None or record.line < last_line or record.source_file not in self._names:
                    continue
                if record.line > last_line:
                    first = record.offset if first < 0 else first
                    last_line, sent = record.line, sent + 1
                last = record
        place = checkpoint.place if checkpoint else START
        return ResumePoint(high if first < 0 else first, last_line, sent, place, last)

    def _begin(self, checkpoint: Checkpoint, low: int, high: int) -> int:
        """Return the offset behind the last one that the checkpoint knows.

        Raises:
            DataLostError: it is not there any more, or retention has removed what came behind it.
        """
        begin = int(checkpoint.extra.get("last_offset", -1)) + 1
        if begin > high or (begin and low > begin):
            raise DataLostError(
                f"the last committed record was at offset {begin - 1} of {self._settings.kafka_topic}"
                f"[{self._partition}], which now has offsets {low} to {high - 1}: records are lost, or retention has "
                "removed some that nobody has looked at. Take an empty partition and another JOB_ID to send everything "
                "again",
                offset=begin - 1,
            )
        return max(low, begin)

    def _decided_ends(self, log: PartitionReader, everything: PartitionReader) -> tuple[int, int]:
        """Return the ends once every transaction that was open is over: what lies behind it cannot be read before."""
        where = f"{self._settings.kafka_topic}[{self._partition}]"
        _, high = everything.ends()
        low, stable = log.ends()
        deadline = time.monotonic() + _OPEN_TRANSACTIONS_S
        if stable < high:
            _log.info("waiting until the transaction of another writer, at offset %d of %s, is over", stable, where)
        while stable < high:
            if time.monotonic() > deadline:
                raise TemporaryFailureError(
                    f"another writer has had a transaction open on {where} for {_OPEN_TRANSACTIONS_S:.0f} s, at "
                    f"offset {stable}: what lies behind it cannot be read"
                )
            log.wait(QUIET_S)
            low, stable = log.ends()
        return low, stable

    def _log(self, stop: StopRequest, *, committed: bool) -> PartitionReader:
        return PartitionReader(
            self._client, topic=self._settings.kafka_topic, partition=self._partition, committed=committed, stop=stop
        )
