"""The resume point of a job, from the partition and its checkpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.errors import SourceChangedError
from sequencer.errors import DataLostError, ForeignRecordsError, JobUsageError, OrderBrokenError
from sequencer.job.resume_point import ResumePoint, check_gaps, check_same_job, check_source, find_resume_point
from sequencer.kafka.partition_reader import LogRecord, LogTail
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.partition import PartitionRef
from sequencer.model.source_identity import FileIdentity
from sequencer.model.source_position import START, SourcePosition

NAME = "s3://bucket/people.csv"
SOURCES = (FileIdentity(NAME, 1000, "etag"),)
PLACE = SourcePosition(90, 0, 900)
NOTED = Checkpoint(
    job_id="job",
    last_line=100,
    total_sent=100,
    timestamp=datetime(2026, 1, 31, tzinfo=UTC),
    topic="t",
    partition=0,
    first_offset=5,
    place=PLACE,
    sources=SOURCES,
)


def record(offset: int, line: int | None, name: str = NAME) -> LogRecord:
    return LogRecord(offset, line, name)


def tail(*, high: int, line: int | None = None, name: str = NAME, low: int = 0) -> LogTail:
    return LogTail(low=low, high=high, last=record(high - 1, line, name) if high > low else None)


def not_asked(_last: LogRecord) -> int:
    raise AssertionError("there is a checkpoint, or nothing of the job")


def start_of(
    checkpoint: Checkpoint | None,
    found: LogTail,
    *,
    append: bool = False,
    first: int | None = None,
    before_line: int = 0,
    dead_letters: bool = False,
) -> ResumePoint:
    find_first = not_asked if first is None else lambda _last: first
    return find_resume_point(
        checkpoint=checkpoint,
        tail=found,
        names={NAME},
        append=append,
        find_first=find_first,
        before_line=before_line,
        dead_letters=dead_letters,
    )


def test_empty_partition_is_started_at_its_end() -> None:
    assert start_of(None, tail(high=0)) == ResumePoint(first_offset=0, last_line=0, sent=0, place=START)


def test_partition_emptied_by_retention_is_not_a_new_one() -> None:
    with pytest.raises(ForeignRecordsError, match=r"has held records up to offset 6.*--append"):
        start_of(None, LogTail(low=7, high=7, last=None))
    assert start_of(None, LogTail(low=7, high=7, last=None), append=True).first_offset == 7


def test_later_range_starts_after_the_row_before_it() -> None:
    assert start_of(None, tail(high=0), before_line=40) == ResumePoint(
        first_offset=0, last_line=40, sent=0, place=START
    )


def test_checkpoint_that_is_lost_is_found_again_in_the_log() -> None:
    found = start_of(None, tail(high=12, line=10), first=2)
    assert found == ResumePoint(first_offset=2, last_line=10, sent=10, place=START, last=record(11, 10))


def test_checkpoint_that_agrees_with_the_partition_is_resumed_from() -> None:
    assert start_of(NOTED, tail(high=105, line=100)) == ResumePoint(5, 100, 100, PLACE, record(104, 100))


@pytest.mark.parametrize(
    ("last", "what"),
    [
        (record(104, None, ""), "not written by csvpipe"),
        (record(104, 100, "s3://bucket/other.csv"), "row 100 of s3://bucket/other.csv"),
        (record(104, 99), "row 99"),
        (record(104, 101), "row 101"),
        (record(103, 99), "at offset 103"),
    ],
    ids=["unknown", "another job", "an earlier row", "a later row", "a marker after it"],
)
def test_records_in_the_place_of_lost_ones_stop_the_job(last: LogRecord, what: str) -> None:
    """The log ends where the checkpoint says, so that nothing seems to be missing."""
    with pytest.raises(ForeignRecordsError, match=f"offset 104 was acknowledged.*{what}"):
        start_of(NOTED, LogTail(low=0, high=105, last=last))


def test_job_that_has_sent_nothing_may_start_after_records_of_others() -> None:
    noted = replace(NOTED, last_line=0, total_sent=0)
    assert start_of(noted, tail(high=5, line=None, name="")) == ResumePoint(5, 0, 0, PLACE)


def test_dead_rows_after_the_last_record_count() -> None:
    noted = replace(NOTED, last_line=103, dead_lettered=3)
    assert start_of(noted, tail(high=105, line=100), dead_letters=True) == ResumePoint(5, 103, 100, PLACE)


def test_partition_ahead_of_the_checkpoint_wins() -> None:
    assert start_of(NOTED, tail(high=150, line=145)) == ResumePoint(5, 145, 145, PLACE, record(149, 145))


@pytest.mark.parametrize(
    "found",
    [
        LogTail(low=105, high=105, last=None),
        LogTail(low=6, high=105, last=record(104, 100)),
        LogTail(low=50, high=150, last=record(149, 145)),
    ],
    ids=["all of them", "the first one", "some, and more came"],
)
def test_records_of_the_job_that_were_removed_stop_it(found: LogTail) -> None:
    with pytest.raises(DataLostError, match=rf"t\[0\] begins at offset {found.low}.*retention or by DeleteRecords"):
        start_of(NOTED, found)


def test_records_of_others_before_the_jobs_first_one_may_be_removed() -> None:
    assert start_of(NOTED, LogTail(low=5, high=105, last=record(104, 100))).sent == 100


def test_removed_rows_are_seen_without_a_checkpoint_too() -> None:
    with pytest.raises(DataLostError, match=r"begins at offset 3: .*from row 1 on were removed"):
        start_of(None, LogTail(low=3, high=12, last=record(11, 12)), first=3)


def test_records_removed_after_the_checkpoint_stop_the_job() -> None:
    with pytest.raises(DataLostError, match=r"95 records.*offset 104.*retention"):
        start_of(NOTED, LogTail(low=200, high=200, last=None))


@pytest.mark.parametrize("checkpoint", [None, NOTED])
def test_transaction_marker_at_the_end_is_not_a_record(checkpoint: Checkpoint | None) -> None:
    with pytest.raises(ForeignRecordsError, match=r"at offset 119.* to offset 120.*--mode transactional"):
        start_of(checkpoint, LogTail(low=0, high=121, last=record(119, 115)), first=5 if checkpoint is None else None)


def test_partition_that_ends_before_the_checkpoint_has_lost_records() -> None:
    with pytest.raises(DataLostError, match=r"offset 104.*ends before offset 100"):
        start_of(NOTED, tail(high=100, line=95))


@pytest.mark.parametrize(("line", "name"), [(None, ""), (7, "s3://bucket/other.csv")])
def test_partition_with_records_of_others_is_refused_without_append(line: int | None, name: str) -> None:
    with pytest.raises(ForeignRecordsError, match=r"offset 6.*--append"):
        start_of(None, tail(high=7, line=line, name=name))
    assert start_of(None, tail(high=7, line=line, name=name), append=True).first_offset == 7


def test_append_starts_after_an_earlier_job_with_the_same_file() -> None:
    assert start_of(None, tail(high=7, line=7), append=True) == ResumePoint(7, 0, 0, START)


@pytest.mark.parametrize(("line", "name"), [(None, ""), (120, "s3://bucket/other.csv")])
def test_records_of_others_after_the_jobs_records_stop_it(line: int | None, name: str) -> None:
    with pytest.raises(ForeignRecordsError, match="only this job's rows may follow offset 104"):
        start_of(NOTED, tail(high=120, line=line, name=name))


@pytest.mark.parametrize("line", [99, 114, 116])
def test_tail_whose_line_does_not_fit_its_offset_breaks_the_order(line: int) -> None:
    """Offset 119 is the 115th record from offset 5 on: its row is number 115, or more with dead letters."""
    with pytest.raises(OrderBrokenError, match=f"offset 119 holds row {line}, .* 115 records"):
        start_of(NOTED, tail(high=120, line=line))


def test_dead_letters_let_lines_run_ahead_of_offsets() -> None:
    noted = replace(NOTED, last_line=110, total_sent=100, dead_lettered=10)
    assert start_of(noted, tail(high=120, line=130), dead_letters=True) == ResumePoint(
        5, 130, 115, PLACE, record(119, 130)
    )
    assert start_of(None, tail(high=12, line=30), first=2, dead_letters=True).sent == 10
    with pytest.raises(OrderBrokenError):
        start_of(noted, tail(high=120, line=124), dead_letters=True)  # dead letters do not come back to life


def test_rows_without_a_record_must_be_dead_letters_each() -> None:
    noted = replace(NOTED, last_line=110, total_sent=100, dead_lettered=10)
    start = start_of(noted, tail(high=120, line=130), dead_letters=True)  # 15 records and 5 rows more
    check_gaps(start, noted, [3, 111, 112, 113, 114, 130, 131], before_line=0)
    for letters in ([111, 112, 113, 114], [111, 112, 113, 114, 115, 116], []):
        with pytest.raises(OrderBrokenError, match=f"15 have a record.* and {len(letters)} a dead letter"):
            check_gaps(start, noted, letters, before_line=0)


def test_without_a_checkpoint_all_dead_letters_of_the_range_count() -> None:
    start = ResumePoint(first_offset=2, last_line=30, sent=10, place=START)
    check_gaps(start, None, range(11, 21), before_line=10)
    with pytest.raises(OrderBrokenError, match=r"rows 11 to 30, 10 have a record.* and 9"):
        check_gaps(start, None, range(11, 20), before_line=10)


def test_job_resumes_only_where_and_how_it_was_started() -> None:
    here, whole = PartitionRef("t", 0), (0, None)
    check_same_job(None, partition=here, mode="exclusive", row_range=whole)
    check_same_job(NOTED, partition=here, mode="exclusive", row_range=whole)
    with pytest.raises(JobUsageError, match="KAFKA_TOPIC: job job was started with t and cannot resume with other"):
        check_same_job(NOTED, partition=PartitionRef("other", 0), mode="exclusive", row_range=whole)
    with pytest.raises(JobUsageError, match="KAFKA_PARTITION: job job was started with 0"):
        check_same_job(NOTED, partition=PartitionRef("t", 1), mode="exclusive", row_range=whole)
    with pytest.raises(JobUsageError, match="MODE: job job was started with exclusive"):
        check_same_job(NOTED, partition=here, mode="transactional", row_range=whole)
    with pytest.raises(JobUsageError, match="PARTITIONS: job job was started with other ranges"):
        check_same_job(NOTED, partition=here, mode="exclusive", row_range=(0, 50))


def test_source_with_another_etag_is_another_source() -> None:
    check_source(None, SOURCES)
    check_source(NOTED, SOURCES)
    with pytest.raises(SourceChangedError, match=r"people\.csv.*another JOB_ID"):
        check_source(NOTED, (FileIdentity(NAME, 1000, "other"),))


def test_source_with_one_file_more_is_another_source() -> None:
    with pytest.raises(SourceChangedError, match=r"more\.csv"):
        check_source(NOTED, (*SOURCES, FileIdentity("more.csv", 1, "x")))
