"""Finds the resume point of a job from the end of its partition; the checkpoint is only a hint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from contracts.errors import SourceChangedError
from contracts.number_text import counted
from sequencer.errors import DataLostError, ForeignRecordsError, JobUsageError, OrderBrokenError
from sequencer.kafka.partition_reader import LogRecord, LogTail
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.partition import PartitionRef
from sequencer.model.source_identity import FileIdentity, condense
from sequencer.model.source_position import START, SourcePosition


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a job starts.

    Attributes:
        first_offset: offset of its first record, of this process or an earlier one.
        last_line: the ``_source_line`` after which it continues.
        sent: number of its records in the partition.
        place: source position to start reading at: at or before ``last_line``.
        last: the record of ``last_line``, if the partition's tail holds it: the source must have the same row.
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
    """Return where a job that writes alone to its partition resumes.

    Args:
        checkpoint: the job's last checkpoint; None if there is none, or it is lost.
        tail: the end of the partition.
        names: the files of the source.
        append: whether the job may start after the records of others.
        before_line: the row before the job's first one: not 0 for the later ranges of a source.
        dead_letters: whether rows may be in the dead-letter topic; if not, every row must have its record.
        find_first: finds the offset of the job's first record from its last one; called only without a checkpoint.

    Raises:
        DataLostError: the partition ends before the records that the checkpoint has as acknowledged.
        ForeignRecordsError: another producer's records are in the place of the job's records or, without ``append``,
            before them.
        OrderBrokenError: the last record has another offset than its line requires.
    """
    last = tail.last
    ours = last is not None and last.line is not None and last.source_file in names
    if checkpoint is not None:
        start = _resume_from_checkpoint(checkpoint, tail, ours=ours)
        check_records_kept(checkpoint, low=tail.low)
        _check_order(start, tail, before_line, checkpoint, dead_letters=dead_letters)
        return start
    fresh = ResumePoint(first_offset=tail.high, last_line=before_line, sent=0, place=START)
    if append or tail.high == 0:
        return fresh
    if last is None:
        raise ForeignRecordsError(
            f"the partition has held records up to offset {tail.high - 1} and is empty now, so it is unknown whether "
            "they were this job's. Use an empty partition, or start after them with --append",
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
        f"the partition holds records of another producer: the last one, at offset {last.offset}, is "
        f"{_describe(last)}. Use an empty partition, or start after them with --append",
        offset=last.offset,
    )


def _resume_from_checkpoint(checkpoint: Checkpoint, tail: LogTail, *, ours: bool) -> ResumePoint:
    acknowledged_upto = checkpoint.first_offset + checkpoint.total_sent
    if tail.high < acknowledged_upto:
        raise DataLostError(
            f"Kafka has lost records: {checkpoint.total_sent} were acknowledged up to offset {acknowledged_upto - 1}, "
            f"but the partition ends before offset {tail.high}. Check the topic's replication and "
            "min.insync.replicas; to send everything again, delete the job's checkpoint and use an empty partition",
            offset=tail.high,
            acknowledged_upto=acknowledged_upto,
        )
    last = tail.last
    if tail.high == acknowledged_upto:
        # No record was appended since; retention may have removed all of them.
        if last is not None and checkpoint.total_sent:
            _check_acknowledged(checkpoint, last, ours=ours)
        known = last if last is not None and last.line == checkpoint.last_line else None
        return ResumePoint(
            checkpoint.first_offset, checkpoint.last_line, checkpoint.total_sent, checkpoint.place, known
        )
    if last is None:
        raise DataLostError(
            f"{counted(tail.high - acknowledged_upto, 'record')} followed offset {acknowledged_upto - 1}, the last one "
            "that the checkpoint covers, and retention has removed them: which rows they were is unknown. Send the "
            "source again, with a new JOB_ID, to an empty partition with a longer retention",
            offset=tail.high,
            acknowledged_upto=acknowledged_upto,
        )
    if not ours:
        raise ForeignRecordsError(
            f"another producer has written to the partition: offset {last.offset} holds {_describe(last)}, but only "
            f"this job's rows may follow offset {acknowledged_upto - 1}",
            offset=last.offset,
        )
    _check_end(tail, last)
    sent = last.offset - checkpoint.first_offset + 1
    return ResumePoint(checkpoint.first_offset, last.line or 0, sent, checkpoint.place, last)


def check_records_kept(checkpoint: Checkpoint, *, low: int) -> None:
    """Check that the partition still holds the job's first record, and with it all others.

    Args:
        checkpoint: the progress of the job.
        low: the partition's first offset.

    Raises:
        DataLostError: retention or DeleteRecords has removed records of the job.
    """
    if checkpoint.total_sent and low > checkpoint.first_offset:
        where = str(PartitionRef(checkpoint.topic, checkpoint.partition))
        raise _removed_error(f"at the offsets {checkpoint.first_offset} to {low - 1}", low, where)


def _removed_error(what: str, low: int, where: str) -> DataLostError:
    return DataLostError(
        f"{where} begins at offset {low}: the job's records {what} were removed by retention or by DeleteRecords. "
        "Raise retention.ms and retention.bytes of the topic; to send everything again, use an empty partition and a "
        "new JOB_ID",
        offset=low,
    )


def _describe(record: LogRecord) -> str:
    return "not written by csvpipe" if record.line is None else f"row {record.line} of {record.source_file}"


def _check_acknowledged(checkpoint: Checkpoint, last: LogRecord, *, ours: bool) -> None:
    """Check that the partition's last record is the job's own: after a loss, others may have taken its offset."""
    upto = checkpoint.first_offset + checkpoint.total_sent - 1
    rows_after = checkpoint.last_line - (last.line or 0)
    if not ours or last.offset != upto or not 0 <= rows_after <= checkpoint.dead_lettered:
        raise ForeignRecordsError(
            f"offset {upto} was acknowledged for the job's last record, up to row {checkpoint.last_line}, but the last "
            f"record, at offset {last.offset}, is {_describe(last)}: Kafka has lost records, and another producer has "
            "written in their place. Use an empty partition and a new JOB_ID to send everything again",
            offset=last.offset,
        )


def _check_end(tail: LogTail, last: LogRecord) -> None:
    if last.offset + 1 != tail.high:
        raise ForeignRecordsError(
            f"after the job's last record, at offset {last.offset}, the partition continues to offset {tail.high - 1} "
            "without records, such as transaction markers: another producer writes to it. Use --mode transactional, or "
            "a partition that only this job writes to",
            offset=last.offset + 1,
        )


def _check_order(
    start: ResumePoint, tail: LogTail, before_line: int, checkpoint: Checkpoint | None, *, dead_letters: bool
) -> None:
    """Check that the partition holds one record for each row up to the last one, except for dead letters."""
    missing = start.last_line - before_line - start.sent
    known = checkpoint.dead_lettered if checkpoint else 0
    went_back = checkpoint is not None and start.last_line < checkpoint.last_line
    if went_back or missing < known or (missing > known and not dead_letters):
        raise OrderBrokenError(
            f"offset {tail.high - 1} holds row {start.last_line}, but the partition has {start.sent} records of the "
            "job up to there: they are not one record per row, in order. Check the partition with csvpipe "
            "verify-topic",
            offset=tail.high - 1,
            row=start.last_line,
        )


def check_gaps(start: ResumePoint, checkpoint: Checkpoint | None, dead: Sequence[int], *, before_line: int) -> None:
    """Check that the rows since the checkpoint without a record in the partition are those that were dead-lettered.

    Args:
        start: the resume point.
        checkpoint: the last checkpoint.
        dead: the lines in the dead-letter topic, of this job and source.
        before_line: the row before the job's first one.

    Raises:
        OrderBrokenError: rows are missing from the partition, or are in it twice.
    """
    line, sent = (checkpoint.last_line, checkpoint.total_sent) if checkpoint else (before_line, 0)
    missing = start.last_line - line - (start.sent - sent)
    dead_lettered = sum(line < each <= start.last_line for each in dead)
    if missing != dead_lettered:
        raise OrderBrokenError(
            f"of the rows {line + 1} to {start.last_line}, {start.sent - sent} have a record in the partition and "
            f"{dead_lettered} a dead letter: that is not one of both per row. Check the partition with csvpipe "
            "verify-topic",
            row=start.last_line,
        )


def check_same_job(
    checkpoint: Checkpoint | None, *, partition: PartitionRef, mode: str, row_range: tuple[int, int | None]
) -> None:
    """Check that a job resumes with the partition, mode and ranges that it was started with.

    Args:
        checkpoint: the job's last checkpoint.
        partition: the current partition.
        mode: the current mode.
        row_range: the current range of the source (:attr:`Checkpoint.row_range`).

    Raises:
        JobUsageError: one of them differs; the message names it.
    """
    if checkpoint is None:
        return
    started = {
        "KAFKA_TOPIC": checkpoint.topic,
        "KAFKA_PARTITION": checkpoint.partition,
        "MODE": checkpoint.mode,
    }
    now = {"KAFKA_TOPIC": partition.topic, "KAFKA_PARTITION": partition.partition, "MODE": mode}
    for name, value in started.items():
        if value != now[name]:
            raise _cannot_resume(checkpoint.job_id, name, f"{value}", f"{now[name]}")
    if checkpoint.row_range != row_range:
        raise _cannot_resume(checkpoint.job_id, "PARTITIONS", "other ranges of rows", "these")


def _cannot_resume(job_id: str, name: str, started: str, now: str) -> JobUsageError:
    return JobUsageError(
        f"{name}: job {job_id} was started with {started} and cannot resume with {now}: its records would be split. "
        "Restore the original value, or use a new JOB_ID"
    )


def check_source(checkpoint: Checkpoint | None, sources: tuple[FileIdentity, ...]) -> None:
    """Check that a job resumes with the source that it was started with.

    Raises:
        SourceChangedError: the source is another one.
    """
    if checkpoint is None or not checkpoint.sources:
        return
    recorded, current = condense(checkpoint.sources), condense(sources)
    if recorded == current:
        return
    before, now = dict.fromkeys(recorded), dict.fromkeys(current)
    changed = next((each for each in [*now, *before] if (each in now) != (each in before)), current[0])
    raise SourceChangedError(
        f"{changed.name} differs from the source that job {checkpoint.job_id} was started with "
        f"({changed.size_bytes} bytes and ETag {changed.etag} in one of both), so its rows may differ. Send the "
        "changed source as a new job, with another JOB_ID and an empty partition",
        source=changed.name,
    )
