"""Finds the resume point of a job from the end of its partition; the checkpoint is only a hint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from contracts.counts import counted
from contracts.errors import SourceChangedError
from sequencer.errors import DataLostError, ForeignRecordsError, JobUsageError, OrderBrokenError
from sequencer.kafka.partition_reader import LogRecord, LogTail
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.source_identity import condensed
from sequencer.model.source_position import START, SourcePosition


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a job starts.

    Attributes:
        first_offset: the offset of its first record, of this process or an earlier one.
        last_line: the ``_source_line`` that it goes on behind.
        sent: how many of its records lie in the log.
        place: where to start reading: at or before ``last_line``.
        last: the record of ``last_line``, where the log's tail holds it: the source must have it just so.
    """

    first_offset: int
    last_line: int
    sent: int
    place: SourcePosition
    last: LogRecord | None = None


def find_resume_point(
    *,
    checkpoint: Checkpoint | None,
    tail: LogTail,
    names: Collection[str],
    append: bool,
    before_line: int = 0,
    dead_letters: bool = False,
    find_first: Callable[[LogRecord], int],
) -> ResumePoint:
    """Decide where a job that owns its partition goes on.

    Args:
        checkpoint: what the job has noted; None: nothing, or it is lost.
        tail: what the partition holds.
        names: the files of the source.
        append: whether the job may start behind the records of others.
        before_line: the row before the job's first one: not 0 for the later ranges of a source.
        dead_letters: whether rows may have gone to the dead-letter topic; without, every row must have its record.
        find_first: finds the offset of the job's first record from its last one; asked only without a checkpoint.

    Raises:
        DataLostError: the log ends before what the checkpoint says was acknowledged.
        ForeignRecordsError: there are records of somebody else where the job's should be, or, without ``append``,
            before them.
        OrderBrokenError: the tail has another offset than its line demands.
    """
    last = tail.last
    ours = last is not None and last.line is not None and last.source_file in names
    if checkpoint is not None:
        start = _resume_from_checkpoint(checkpoint, tail, ours=ours)
        check_records_kept(checkpoint, low=tail.low, where=f"{checkpoint.topic}[{checkpoint.partition}]")
        _check_order(start, tail, before_line, checkpoint, dead_letters=dead_letters)
        return start
    fresh = ResumePoint(first_offset=tail.high, last_line=before_line, sent=0, place=START)
    if append or tail.high == 0:
        return fresh
    if last is None:
        raise ForeignRecordsError(
            f"the partition has held records up to offset {tail.high - 1}, and holds none any more: whether they were "
            "this job's cannot be told. Take an empty partition, or start behind them with --append",
            offset=tail.high,
        )
    if ours:
        _check_end(tail, last)
        first = find_first(last)
        start = ResumePoint(first, last.line or 0, last.offset - first + 1, START, last)
        if first == tail.low > 0 and start.sent < start.last_line - before_line and not dead_letters:
            raise _removed_error(f"from row {before_line + 1} on", first, "the partition")
        _check_order(start, tail, before_line, None, dead_letters=dead_letters)
        return start
    raise ForeignRecordsError(
        f"the partition holds records of somebody else: the last one, at offset {last.offset}, is {_describe(last)}. "
        "Take an empty partition, or start behind them with --append",
        offset=last.offset,
    )


def _resume_from_checkpoint(checkpoint: Checkpoint, tail: LogTail, *, ours: bool) -> ResumePoint:
    acknowledged_upto = checkpoint.first_offset + checkpoint.total_sent
    if tail.high < acknowledged_upto:
        raise DataLostError(
            f"Kafka has lost records: {checkpoint.total_sent} were acknowledged up to offset {acknowledged_upto - 1}, "
            f"and the partition ends before offset {tail.high}. Take the topic's replication and "
            "min.insync.replicas into account; to send everything again, delete the job's checkpoint and take an "
            "empty partition",
            offset=tail.high,
            acknowledged_upto=acknowledged_upto,
        )
    last = tail.last
    if tail.high == acknowledged_upto:
        # Nothing has come since; retention may have removed all of it.
        if last is not None and checkpoint.total_sent:
            _check_acknowledged(checkpoint, last, ours=ours)
        known = last if last is not None and last.line == checkpoint.last_line else None
        return ResumePoint(
            checkpoint.first_offset, checkpoint.last_line, checkpoint.total_sent, checkpoint.place, known
        )
    if last is None:
        raise DataLostError(
            f"{counted(tail.high - acknowledged_upto, 'record')} came behind offset {acknowledged_upto - 1}, the last "
            "one that the checkpoint knows, and retention has removed them: which rows they were cannot be told. Send "
            "the source again, as a job with another JOB_ID, to an empty partition with a longer retention",
            offset=tail.high,
            acknowledged_upto=acknowledged_upto,
        )
    if not ours:
        raise ForeignRecordsError(
            f"somebody else has written to the partition: offset {last.offset} holds "
            f"{'row ' + str(last.line) + ' of ' + last.source_file if last.line is not None else 'no row'}, where only "
            f"this job's rows may follow offset {acknowledged_upto - 1}",
            offset=last.offset,
        )
    _check_end(tail, last)
    sent = last.offset - checkpoint.first_offset + 1
    return ResumePoint(checkpoint.first_offset, last.line or 0, sent, checkpoint.place, last)


def check_records_kept(checkpoint: Checkpoint, *, low: int, where: str) -> None:
    """Check that the partition still holds the job's first record, and with it all others.

    Args:
        checkpoint: what the job has sent.
        low: the partition's first offset.
        where: the partition, for the text.

    Raises:
        DataLostError: retention or DeleteRecords has removed records of the job.
    """
    if checkpoint.total_sent and low > checkpoint.first_offset:
        raise _removed_error(f"at the offsets {checkpoint.first_offset} to {low - 1}", low, where)


def _removed_error(what: str, low: int, where: str) -> DataLostError:
    return DataLostError(
        f"{where} begins at offset {low}: the job's records {what} were removed by retention or by DeleteRecords. "
        "Raise retention.ms and retention.bytes of the topic; to send everything again, take an empty partition and "
        "another JOB_ID",
        offset=low,
    )


def _describe(record: LogRecord) -> str:
    return "none of a sequencer" if record.line is None else f"row {record.line} of {record.source_file}"


def _check_acknowledged(checkpoint: Checkpoint, last: LogRecord, *, ours: bool) -> None:
    """Check that the log's last record is the job's own: after a loss, others may have filled its place."""
    upto = checkpoint.first_offset + checkpoint.total_sent - 1
    behind = checkpoint.last_line - (last.line or 0)
    if not ours or last.offset != upto or not 0 <= behind <= checkpoint.dead_lettered:
        raise ForeignRecordsError(
            f"offset {upto} was acknowledged for the job's last record, up to row {checkpoint.last_line}, and the last "
            f"record, at offset {last.offset}, is {_describe(last)}: Kafka has lost records, and somebody else has "
            "written in their place. Take an empty partition and another JOB_ID to send everything again",
            offset=last.offset,
        )


def _check_end(tail: LogTail, last: LogRecord) -> None:
    if last.offset + 1 != tail.high:
        raise ForeignRecordsError(
            f"behind the job's last record, at offset {last.offset}, the partition goes on to offset {tail.high - 1} "
            "with what is no record, as markers of transactions are: somebody else writes there. Take "
            "--mode transactional, or a partition of the job's own",
            offset=last.offset + 1,
        )


def _check_order(
    start: ResumePoint, tail: LogTail, before_line: int, checkpoint: Checkpoint | None, *, dead_letters: bool
) -> None:
    """Check that as many records lie in the log as rows up to the last one: once each, but for dead letters."""
    missing = start.last_line - before_line - start.sent
    known = checkpoint.dead_lettered if checkpoint else 0
    behind = checkpoint is not None and start.last_line < checkpoint.last_line
    if behind or missing < known or (missing > known and not dead_letters):
        raise OrderBrokenError(
            f"offset {tail.high - 1} holds row {start.last_line}, and {start.sent} records of the job lie up to there: "
            "they cannot be all rows up to it, once and in order. Look with csvpipe verify-topic at what is there",
            offset=tail.high - 1,
            row=start.last_line,
        )


def check_gaps(start: ResumePoint, checkpoint: Checkpoint | None, dead: Sequence[int], *, before_line: int) -> None:
    """Check that the rows since the checkpoint that have no record in the log are those that were dead-lettered.

    Args:
        start: what settling has found.
        checkpoint: what was known before.
        dead: the lines in the dead-letter topic, of this job and source.
        before_line: the row before the job's first one.

    Raises:
        OrderBrokenError: they are not: rows are missing from the log, or stand in it twice.
    """
    line, sent = (checkpoint.last_line, checkpoint.total_sent) if checkpoint else (before_line, 0)
    missing = start.last_line - line - (start.sent - sent)
    letters = sum(line < each <= start.last_line for each in dead)
    if missing != letters:
        raise OrderBrokenError(
            f"of the rows {line + 1} to {start.last_line}, {start.sent - sent} have a record in the log and {letters} "
            "a dead letter: they cannot be all rows, once each. Look with csvpipe verify-topic at what is there",
            row=start.last_line,
        )


def check_same_job(
    checkpoint: Checkpoint | None, *, topic: str, partition: int, mode: str, span: Sequence[int | None]
) -> None:
    """Check that a job goes on where and how it began.

    Args:
        checkpoint: what the job has noted.
        topic: KAFKA_TOPIC, as it is told now.
        partition: the partition.
        mode: its mode.
        span: the lines before its first row and of its last one, where it has a range of the source.

    Raises:
        JobUsageError: it does not; what is different is named.
    """
    if checkpoint is None:
        return
    began = {"KAFKA_TOPIC": checkpoint.topic, "KAFKA_PARTITION": checkpoint.partition}
    now: dict[str, object] = {"KAFKA_TOPIC": topic, "KAFKA_PARTITION": partition, "MODE": mode, "PARTITIONS": [*span]}
    began |= {"MODE": checkpoint.extra.get("mode", mode), "PARTITIONS": checkpoint.extra.get("span", [*span])}
    for name, value in began.items():
        if value != now[name]:
            what = "other ranges of rows" if name == "PARTITIONS" else f"{value}"
            raise JobUsageError(
                f"{name}: the job {checkpoint.job_id} began with {what}, and is to go on with "
                f"{'these' if name == 'PARTITIONS' else now[name]}: its records would be in neither as a whole. Give "
                "it what it began with, or another JOB_ID"
            )


def check_source(checkpoint: Checkpoint | None, sources: tuple[tuple[str, int, str], ...]) -> None:
    """Check that a job goes on with the source that it began with.

    Raises:
        SourceChangedError: it does not.
    """
    if checkpoint is None or not checkpoint.sources:
        return
    noted, told = condensed(checkpoint.sources), condensed(sources)
    if noted == told:
        return
    before, now = dict.fromkeys(noted), dict.fromkeys(told)
    changed = next((each for each in [*now, *before] if (each in now) != (each in before)), told[0])
    raise SourceChangedError(
        f"{changed[0]} is not what the job {checkpoint.job_id} began with ({changed[1]} bytes and the ETag "
        f"{changed[2]} in one of both): its rows may be others. Give the changed source a job of its own, with another "
        "JOB_ID and an empty partition",
        source=changed[0],
    )
