"""Whatever the partition and the checkpoint hold, a job resumes exactly after its last row, or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import event, given
from hypothesis import strategies as st

from sequencer.errors import DataLostError, ForeignRecordsError, OrderBrokenError
from sequencer.job.resume_point import ResumePoint, check_gaps, find_resume_point
from sequencer.kafka.partition_reader import LogRecord, PartitionReader
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.source_position import START

NAME, OTHER = "s3://bucket/people.csv", "s3://bucket/other.csv"
Entry = tuple[int | None, str] | None
"""Line and file of a record, no line where it is none of a sequencer's; None: a marker of a transaction."""
FOREIGN: tuple[Entry, ...] = ((None, ""), (7, OTHER))
HARMS = (
    "none",
    "the end is lost",
    "the end is lost and others write",
    "others write after it",
    "others write between",
    "a marker follows",
    "retention",
    "the topic is recreated",
)


class FakeLog(PartitionReader):
    """A partition in memory; what is looked for in it is looked for by the real code."""

    def __init__(self, entries: list[Entry], low: int) -> None:
        self.entries = entries
        self.low = low

    def records(self, begin: int, high: int) -> Iterator[LogRecord]:
        for offset in range(max(begin, self.low), high):
            entry = self.entries[offset]
            if entry is not None:
                yield LogRecord(offset, *entry)


@dataclass
class Story:
    """What has happened to a job: its rows, those of them that are dead letters, and where it was at the checkpoint."""

    before_line: int
    dead: list[bool]
    log: FakeLog
    checkpoint: Checkpoint | None
    append: bool
    harm: str

    @property
    def dead_lines(self) -> list[int]:
        return [self.before_line + at for at, dead in enumerate(self.dead, start=1) if dead]

    def alive_upto(self, line: int) -> list[int]:
        """The rows up to ``line`` that must have a record."""
        return [row for row in range(self.before_line + 1, line + 1) if row not in set(self.dead_lines)]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    before_line = draw(st.sampled_from([0, 40]))
    dead = draw(st.lists(st.just(False), max_size=30) | st.lists(st.booleans(), max_size=30))
    lines = [before_line + at for at, is_dead in enumerate(dead, start=1) if not is_dead]
    earlier = draw(
        st.just([])
        | st.lists(st.sampled_from(FOREIGN), max_size=5)
        | st.integers(1, 9).map(lambda rows: [(row, NAME) for row in range(before_line + 1, before_line + rows + 1)])
    )
    first = len(earlier)
    sent = draw(st.integers(0, len(lines)))
    acknowledged = draw(st.integers(0, sent) | st.just(sent))
    checkpoint = None
    if draw(st.booleans()):
        last_line = lines[acknowledged - 1] if acknowledged else before_line
        if acknowledged == len(lines) and draw(st.booleans()):
            last_line = before_line + len(dead)  # done, with dead rows after the last record
        checkpoint = noted(first, acknowledged, last_line, before_line)
    harm = draw(st.sampled_from(HARMS))
    entries: list[Entry] = [*earlier, *((line, NAME) for line in lines[:sent])]
    low = hurt(draw, harm, entries, first=first, untouched=first + (acknowledged if checkpoint else 0))
    ours_are_there = any(entry == (line, NAME) for line, entry in zip(lines, entries[first:], strict=False))
    # After records of others a job starts with --append, given again while it has the checkpoint that it needs.
    append = bool(earlier) and (checkpoint is not None or not ours_are_there)
    return Story(before_line, dead, FakeLog(entries, low), checkpoint, append, harm)


def noted(first_offset: int, sent: int, last_line: int, before_line: int) -> Checkpoint:
    return Checkpoint(
        job_id="job",
        last_line=last_line,
        total_sent=sent,
        dead_lettered=last_line - before_line - sent,
        timestamp=datetime(2026, 1, 31, tzinfo=UTC),
        topic="t",
        partition=0,
        first_offset=first_offset,
    )


def hurt(draw: st.DrawFn, harm: str, entries: list[Entry], *, first: int, untouched: int) -> int:
    """Do ``harm`` to a log whose job started at ``first``; records below ``untouched`` were acknowledged."""
    foreign = st.lists(st.sampled_from(FOREIGN), min_size=1, max_size=5)
    match harm:
        case "the end is lost":
            del entries[draw(st.integers(first, len(entries))) :]
        case "the end is lost and others write":
            del entries[draw(st.integers(first, len(entries))) :]
            entries.extend(draw(foreign))
        case "others write after it":
            entries.extend(draw(foreign))
        case "others write between":
            at = draw(st.integers(untouched, len(entries)))
            entries[at:at] = draw(foreign)
        case "a marker follows":
            entries.append(None)
        case "retention":
            return draw(st.integers(0, len(entries)))
        case "the topic is recreated":
            entries.clear()
    return 0


def resume_point(story: Story) -> ResumePoint:
    """Settle as a job does."""
    log, dead = story.log, story.dead_lines
    tail = log.tail((log.low, len(log.entries)))
    start = find_resume_point(
        checkpoint=story.checkpoint,
        tail=tail,
        names={NAME},
        append=story.append,
        before_line=story.before_line,
        dead_letters=bool(dead),
        find_first=lambda last: log.find_first(last, low=tail.low, names={NAME}),
    )
    check_gaps(start, story.checkpoint, dead, before_line=story.before_line)
    return start


@given(story=stories())
def test_job_resumes_after_its_last_row_or_refuses(story: Story) -> None:
    entries = story.log.entries
    try:
        start = resume_point(story)
    except (DataLostError, ForeignRecordsError, OrderBrokenError) as error:
        event(f"{story.harm}: {type(error).__name__}")
        tail_is_ours = bool(entries) and entries[-1] is not None and entries[-1][1] == NAME
        refused_rightly = bool(entries) and story.checkpoint is None and not story.append
        assert story.harm != "none" or (refused_rightly and not tail_is_ours) or _looks_like_one_run(story)
        return
    event(f"{story.harm}: resumes")
    rows = story.alive_upto(start.last_line)
    assert start.sent == len(rows), "each row has its record, and none a second one"
    assert start.first_offset + start.sent == len(entries), "the next record gets the offset that it must have"
    assert entries[start.first_offset :] == [(row, NAME) for row in rows]
    assert start.place == (story.checkpoint.place if story.checkpoint else START)


def _looks_like_one_run(story: Story) -> bool:
    """An earlier job with the same file, without a checkpoint: what dead letters leave open is refused, not guessed."""
    earlier = story.log.entries[0] if story.log.entries else None
    return story.checkpoint is None and bool(story.dead_lines) and earlier is not None and earlier[1] == NAME
