"""Where does a job go on? Decided from the log's own tail, read by :mod:`sequencer.log`; the checkpoint is a hint."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sequencer.errors import DataLostError, ForeignRecordsError, OrderBrokenError, SourceChangedError
from sequencer.model import START, Checkpoint, Place


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record in the partition, as far as settling looks at it; ``line`` is None where it is none of a sequencer's."""

    offset: int
    line: int | None
    source_file: str


@dataclass(frozen=True, slots=True)
class LogTail:
    """The ends of the partition: ``low`` is its first offset, ``high`` the next one; ``last`` its last record."""

    low: int
    high: int
    last: LogRecord | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a job starts.

    Attributes:
        first_offset: the offset of its first record, of this process or an earlier one.
        last_line: the ``_source_line`` that it goes on behind.
        sent: how many of its records lie in the log.
        place: where to start reading: at or before ``last_line``.
    """

    first_offset: int
    last_line: int
    sent: int
    place: Place


def settle(
    *,
    checkpoint: Checkpoint | None,
    tail: LogTail,
    names: Collection[str],
    append: bool,
    before_line: int = 0,
    dead_letters: bool = False,
    find_first: Callable[[LogRecord], int],
) -> Start:
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
        start = _go_on(checkpoint, tail, ours=ours)
        _check_order(start, tail, before_line, checkpoint, dead_letters=dead_letters)
        return start
    fresh = Start(first_offset=tail.high, last_line=before_line, sent=0, place=START)
    if last is None:
        return fresh
    if ours and not append:
        first = find_first(last)
        start = Start(first_offset=first, last_line=last.line or 0, sent=last.offset - first + 1, place=START)
        _check_order(start, tail, before_line, None, dead_letters=dead_letters)
        return start
    if append:
        return fresh
    raise ForeignRecordsError(
        f"the partition holds records of somebody else: the last one, at offset {last.offset}, is "
        f"{'row ' + str(last.line) + ' of ' + last.source_file if last.line is not None else 'none of a sequencer'}. "
        "Take an empty partition, or start behind them with --append",
        offset=last.offset,
    )


def _go_on(checkpoint: Checkpoint, tail: LogTail, *, ours: bool) -> Start:
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
    if tail.high == acknowledged_upto or last is None:
        # Nothing has come since; retention may have removed all of it.
        return Start(checkpoint.first_offset, checkpoint.last_line, checkpoint.total_sent, checkpoint.place)
    if not ours:
        raise ForeignRecordsError(
            f"somebody else has written to the partition: offset {last.offset} holds "
            f"{'row ' + str(last.line) + ' of ' + last.source_file if last.line is not None else 'no row'}, where only "
            f"this job's rows may follow offset {acknowledged_upto - 1}",
            offset=last.offset,
        )
    return Start(checkpoint.first_offset, last.line or 0, last.offset - checkpoint.first_offset + 1, checkpoint.place)


def _check_order(
    start: Start, tail: LogTail, before_line: int, checkpoint: Checkpoint | None, *, dead_letters: bool
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


def check_source(checkpoint: Checkpoint | None, sources: tuple[tuple[str, int, str], ...]) -> None:
    """Check that a job goes on with the source that it began with.

    Raises:
        SourceChangedError: it does not.
    """
    if checkpoint is None or not checkpoint.sources or checkpoint.sources == sources:
        return
    before, now = dict.fromkeys(checkpoint.sources), dict.fromkeys(sources)
    changed = next((each for each in [*now, *before] if (each in now) != (each in before)), sources[0])
    raise SourceChangedError(
        f"{changed[0]} is not what the job {checkpoint.job_id} began with (it has {changed[1]} bytes and the ETag "
        f"{changed[2]} in one of both): its rows may be others. Give the changed source a job of its own, with another "
        "JOB_ID and an empty partition",
        source=changed[0],
    )
