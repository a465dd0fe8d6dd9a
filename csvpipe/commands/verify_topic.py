"""``csvpipe verify-topic``: verify the records of a job from the topic."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict
from itertools import dropwhile, takewhile
from typing import Annotated, Any

import typer

from contracts.exit_codes import ExitCode
from contracts.number_text import counted, format_count
from contracts.record import SOURCE_LINE
from csvpipe.console import messages, output, record_progress, shown
from csvpipe.json_output import JsonOption, print_json
from csvpipe.recorded_dialect import VerificationInput, open_verification_input
from csvpipe.setting_options import options_from
from sequencer.input.job_input import JobInput
from sequencer.input.opening import load_job_schema
from sequencer.job.dead_letters import parse_dead_letter
from sequencer.kafka.client import client_config
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.partition import PartitionRef
from sequencer.settings import JobSettings, load_settings
from sequencer.verify.content_check import ContentCheck
from sequencer.verify.line_check import LineCheck
from sequencer.verify.result import MAX_DIFFERENCES, TopicCheckResult
from sequencer.verify.source_rows import rows_by_python

_NO_LAST = 2**62
"""Above the line of any row."""


_OPTIONS = {
    "kafka_bootstrap_servers": "bootstrap-servers",
    "kafka_topic": "topic",
    "kafka_partition": "partition",
    "source": "source",
    "delimiter": "delimiter",
    "encoding": "encoding",
    "schema_file": "schema",
    "s3_endpoint": "s3-endpoint",
    "job_id": "job-id",
    "dead_letter_topic": "dead-letter-topic",
    "checkpoint_table": "checkpoint-table",
    "checkpoint_file": "checkpoint-file",
}
_HELP_TEXTS = {
    "kafka_topic": "Topic to verify.",
    "kafka_partition": "Partition to verify.",
    "source": "Compare each record with this source; as for csvpipe sequence.",
    "delimiter": "Delimiter of the source; default: the one recorded by the job.",
    "encoding": "Encoding of the source; default: the one recorded by the job.",
    "schema_file": "Schema that the job used.",
    "job_id": "Job that wrote the records: selects its dead letters, and how it has read the source.",
    "dead_letter_topic": "Topic of the bad rows, which may be missing from the partition.",
    "checkpoint_table": "DynamoDB table of the checkpoints, which record how the job has read the source.",
    "checkpoint_file": "SQLite file of the checkpoints.",
}


@options_from(JobSettings, _OPTIONS, help_texts=_HELP_TEXTS)
def command(
    *,
    count_only: Annotated[
        bool, typer.Option("--count-only", help="Compare only the number of offsets with --expect-rows.")
    ] = False,
    expect_rows: Annotated[int | None, typer.Option(min=0, help="Expected number of rows.")] = None,
    first_line: Annotated[
        int, typer.Option(min=1, help="Line of the first row; above 1 for the later ranges of --partitions.")
    ] = 1,
    from_offset: Annotated[int | None, typer.Option(min=0, help="First offset of the job.")] = None,
    to_offset: Annotated[int | None, typer.Option(min=0, help="Offset after its last one.")] = None,
    read_uncommitted: Annotated[
        bool, typer.Option("--read-uncommitted", help="Include records of open and aborted transactions.")
    ] = False,
    as_json: JsonOption = False,
    **given: Any,  # noqa: ANN401  the generated options
) -> None:
    """Verify from the topic that every row is there, once and in order.

    Without --source the _source_line of each record is checked: no gap, no duplicate, no other order. With it each
    record is compared with its row, which Python's csv reads again with the given delimiter and encoding, or those that
    the checkpoint of --job-id records. Exit code 0: verified. 1: mismatch; up to ten differences are listed.
    """
    dead_letter_topic, source = given["dead_letter_topic"], given["source"]
    settings = load_settings(**given)
    settings.check_topic_given()
    with closing(_log(settings, committed=not read_uncommitted)) as log:
        low, high = log.ends()
        begin, end = max(low, from_offset or 0), high if to_offset is None else min(high, to_offset)
        if count_only:
            _count(settings, begin, end, expect_rows, as_json=as_json)
            return
        lines = range(first_line, _NO_LAST if expect_rows is None else first_line + expect_rows)
        read = open_verification_input(settings) if source else None
        check: ContentCheck | LineCheck = (
            _content_check(settings, lines, dead_letter_topic, read.job)
            if read
            else _line_check(settings, lines, dead_letter_topic)
        )
        started = time.perf_counter()
        _read(log, check, begin, end)
        result = check.finish()
    if not result.records and not result.dead_lettered and not source and expect_rows is None:
        result.add_difference(None, None, "there are no records; use --expect-rows 0 if none are expected")
    if as_json:
        print_json(_document(settings, result, read))
    else:
        output().print(_conclusion(settings, result, time.perf_counter() - started, content=bool(source)))
        if read:
            output().print(f"  source {shown(read.how)}")
    if not result.is_match:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _log(settings: JobSettings, *, committed: bool) -> PartitionReader:
    return PartitionReader(client_config(settings), _partition(settings), committed=committed)


def _partition(settings: JobSettings) -> PartitionRef:
    return PartitionRef(settings.kafka_topic, settings.kafka_partition)


def _content_check(settings: JobSettings, lines: range, dead_letter_topic: str | None, job: JobInput) -> ContentCheck:
    """Return the check that compares records with the rows of the source that have these lines."""
    kinds = {column.column: column.type for column in load_job_schema(settings).columns}
    rows = rows_by_python(job.sources, job.headers)
    wanted = takewhile(lambda row: row[0] < lines.stop, dropwhile(lambda row: row[0] < lines.start, rows))
    etags = {etag for _, _, etag in job.identity}
    dead = [line for line, etag in _dead_letters(settings, dead_letter_topic) if line in lines and etag in etags]
    return ContentCheck(wanted, kinds=kinds, dead=dead)


def _line_check(settings: JobSettings, lines: range, dead_letter_topic: str | None) -> LineCheck:
    """Return the check that each line is there, once and in order."""
    dead = [line for line, _ in _dead_letters(settings, dead_letter_topic) if line in lines]
    return LineCheck(first_line=lines.start, last_line=None if lines.stop == _NO_LAST else lines.stop - 1, dead=dead)


def _read(log: PartitionReader, check: ContentCheck | LineCheck, begin: int, end: int) -> None:
    with record_progress(messages()) as bar:
        task = bar.add_task("verifying", total=max(0, end - begin))
        for offsets, values in log.batches(begin, end):
            check.feed(offsets, values)
            bar.update(task, completed=offsets[-1] - begin + 1)
            if check.result.is_full:
                return
        bar.update(task, completed=max(0, end - begin))


def _count(settings: JobSettings, begin: int, end: int, expected: int | None, *, as_json: bool) -> None:
    """Count offsets only, which checks neither order nor content, nor who wrote the records."""
    found = end - begin
    is_match = expected is None or found == expected
    if as_json:
        print_json(
            {
                **_place(settings),
                "checked": "count",
                "verified": None if expected is None else is_match,
                "first_offset": begin if found else None,
                "last_offset": end - 1 if found else None,
                "offsets": found,
                "expected_rows": expected,
            }
        )
    else:
        output().print(
            f"{_partition(settings)}: offsets {begin}-{end - 1}, {format_count(found)} in total. Only offsets were "
            "counted, including transaction markers; order and content were not checked"
        )
        if expected is not None and not is_match:
            output().print(f"[red]MISMATCH[/] {counted(expected, 'row')} expected")
    if not is_match:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _dead_letters(settings: JobSettings, topic: str | None) -> list[tuple[int, str]]:
    """Return line and ETag of each dead letter, of this job only if its id is given."""
    if topic is None:
        return []
    with closing(PartitionReader(client_config(settings), PartitionRef(topic))) as log:
        dead_letters = filter(None, map(parse_dead_letter, log.values(*log.ends())))
        found = {
            (letter[SOURCE_LINE], str(letter.get("etag", "")))
            for letter in dead_letters
            if settings.job_id in ("", letter["job_id"])
        }
    return sorted(found)


def _place(settings: JobSettings) -> dict[str, object]:
    return {"topic": settings.kafka_topic, "partition": settings.kafka_partition}


def _document(settings: JobSettings, result: TopicCheckResult, read: VerificationInput | None) -> dict[str, object]:
    """Return the result for ``--json``: ``checked`` is what was compared, the content or the lines only."""
    return {
        **_place(settings),
        "checked": "content" if read else "lines",
        "verified": result.is_match,
        "source_read": read.how if read else None,
        "records": result.records,
        "first_offset": result.first_offset,
        "last_offset": result.last_offset,
        "first_line": result.first_line,
        "last_line": result.last_line,
        "dead_lettered": result.dead_lettered,
        "differences": [asdict(each) for each in result.differences],
        "complete": not result.is_full,
    }


def _conclusion(settings: JobSettings, result: TopicCheckResult, seconds: float, *, content: bool) -> str:
    where = _partition(settings)
    if result.is_match:
        dead = f", {counted(result.dead_lettered, 'row')} dead-lettered" if result.dead_lettered else ""
        what = "every row once, in order, and identical to the source" if content else "every row once and in order"
        span = "" if result.first_offset is None else f" (offsets {result.first_offset}-{result.last_offset})"
        rate = f"{format_count(round(result.records / max(seconds, 1e-9)))}/s"
        return f"[green]VERIFIED[/] {where}: {what}: {counted(result.records, 'record')}{span}{dead}; {rate}"
    rest = "".join(f"\n  {shown(each)}" for each in result.differences[1:])
    if result.is_full:
        rest += f"\n  stopped after {MAX_DIFFERENCES} differences; there may be more"
    return f"[red]MISMATCH[/] {where}: {shown(result.differences[0])}{rest}"
