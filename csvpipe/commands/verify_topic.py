"""``csvpipe verify-topic``: the proof from the topic."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import dropwhile, takewhile
from typing import Annotated

import typer

from contracts.counts import counted, format_count
from contracts.exit_codes import ExitCode
from contracts.record import SOURCE_LINE
from csvpipe.console import messages, output, record_progress, shown
from csvpipe.noted_dialect import open_proof_input
from sequencer.input.job_input import JobInput
from sequencer.input.opening import load_job_schema
from sequencer.job.dead_letters import parse_dead_letter
from sequencer.kafka.client import client_config
from sequencer.kafka.partition_reader import PartitionReader
from sequencer.model.partition import PartitionRef
from sequencer.settings import JobSettings, load_settings
from sequencer.verify.source_rows import rows_by_python
from sequencer.verify.topic_check import MOST_DIFFERENCES, ContentCheck, LineCheck, TopicProof

_BEHIND = 2**62
"""Behind the line of any row."""


def command(
    *,
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka brokers, host:port, with commas.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Partition of the topic.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Compare each record with this source; as for csvpipe sequence.")
    ] = None,
    count_only: Annotated[
        bool, typer.Option("--count-only", help="Compare only the number of offsets with --expect-rows.")
    ] = False,
    expect_rows: Annotated[int | None, typer.Option(min=0, help="Rows that must be there.")] = None,
    first_line: Annotated[
        int, typer.Option(min=1, help="Line of the first row: not 1 for the later ranges of --partitions.")
    ] = 1,
    from_offset: Annotated[int | None, typer.Option(min=0, help="First offset of the job.")] = None,
    to_offset: Annotated[int | None, typer.Option(min=0, help="Offset behind its last one.")] = None,
    read_uncommitted: Annotated[
        bool, typer.Option("--read-uncommitted", help="Look at records of open and aborted transactions, too.")
    ] = False,
    dead_letter_topic: Annotated[
        str | None, typer.Option(help="Where bad rows went: these lines may be missing.")
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(help="The job: its dead letters, and how it has read the source.")
    ] = None,
    checkpoint_table: Annotated[
        str | None, typer.Option(help="DynamoDB table of the checkpoints, where the job has noted its dialect.")
    ] = None,
    checkpoint_file: Annotated[str | None, typer.Option(help="SQLite file of the checkpoints.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Delimiter of the source; that which the job has noted if not given.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the source; that which the job has noted if not given.")
    ] = None,
    schema: Annotated[str | None, typer.Option(help="Schema that the job had.")] = None,
    s3_endpoint: Annotated[str | None, typer.Option(help="Object store, where it is not Amazon's.")] = None,
) -> None:
    """Prove from the topic that every row is there, once and in order.

    Without --source each record's _source_line is looked at: no gap, nothing twice, no other order. With it each record
    is compared with its row, read anew by Python's csv, with the delimiter and encoding that are given, or that the job
    of --job-id has noted in its checkpoint. Exit code 0: proven. 1: the first differences are named, ten at most.
    """
    settings = load_settings(
        kafka_bootstrap_servers=bootstrap_servers,
        kafka_topic=topic,
        kafka_partition=partition,
        source=tuple(source) if source else None,
        delimiter=delimiter,
        encoding=encoding,
        schema_file=schema,
        s3_endpoint=s3_endpoint,
        job_id=job_id,
        dead_letter_topic=dead_letter_topic,
        checkpoint_table=checkpoint_table,
        checkpoint_file=checkpoint_file,
    )
    settings.check_topic_given()
    with closing(_log(settings, committed=not read_uncommitted)) as log:
        low, high = log.ends()
        begin, end = max(low, from_offset or 0), high if to_offset is None else min(high, to_offset)
        if count_only:
            _count(settings, begin, end, expect_rows)
            return
        lines = range(first_line, _BEHIND if expect_rows is None else first_line + expect_rows)
        read = open_proof_input(settings) if source else None
        check: ContentCheck | LineCheck = (
            _content_check(settings, lines, dead_letter_topic, read.job)
            if read
            else _line_check(settings, lines, dead_letter_topic)
        )
        started = time.perf_counter()
        _read(log, check, begin, end)
        proof = check.finish()
    if not proof.records and not proof.dead_lettered and not source and expect_rows is None:
        proof.differ(None, None, "there are no records; say --expect-rows 0 if there should be none")
    output().print(_conclusion(settings, proof, time.perf_counter() - started, content=bool(source)))
    if read:
        output().print(f"  the source was {shown(read.how)}")
    if not proof.holds:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _log(settings: JobSettings, *, committed: bool) -> PartitionReader:
    return PartitionReader(client_config(settings), _partition(settings), committed=committed)


def _partition(settings: JobSettings) -> PartitionRef:
    return PartitionRef(settings.kafka_topic, settings.kafka_partition)


def _content_check(settings: JobSettings, lines: range, dead_letter_topic: str | None, job: JobInput) -> ContentCheck:
    """Compare with the rows of the source that have these lines."""
    kinds = {column.column: column.type for column in load_job_schema(settings).columns}
    rows = rows_by_python(job.sources, job.heads)
    wanted = takewhile(lambda row: row[0] < lines.stop, dropwhile(lambda row: row[0] < lines.start, rows))
    etags = {etag for _, _, etag in job.identity}
    dead = [line for line, etag in _dead_letters(settings, dead_letter_topic) if line in lines and etag in etags]
    return ContentCheck(wanted, kinds=kinds, dead=dead)


def _line_check(settings: JobSettings, lines: range, dead_letter_topic: str | None) -> LineCheck:
    """Compare with nothing: each line, once and in order."""
    dead = [line for line, _ in _dead_letters(settings, dead_letter_topic) if line in lines]
    return LineCheck(first_line=lines.start, last_line=None if lines.stop == _BEHIND else lines.stop - 1, dead=dead)


def _read(log: PartitionReader, check: ContentCheck | LineCheck, begin: int, end: int) -> None:
    with record_progress(messages()) as bar:
        task = bar.add_task("verifying", total=max(0, end - begin))
        for offsets, values in log.batches(begin, end):
            check.feed(offsets, values)
            bar.update(task, completed=offsets[-1] - begin + 1)
            if check.proof.is_full:
                return
        bar.update(task, completed=max(0, end - begin))


def _count(settings: JobSettings, begin: int, end: int, expected: int | None) -> None:
    """Do the quick check, which sees neither order nor content, nor what others have written."""
    found = end - begin
    where = _partition(settings)
    output().print(
        f"{where}: offsets {begin} to {end - 1}, {format_count(found)} of them. This counts offsets and says nothing "
        "of order or content; markers of transactions count as well"
    )
    if expected is not None and found != expected:
        output().print(f"[red]DIFFERENT[/] {counted(expected, 'row')} expected")
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _dead_letters(settings: JobSettings, topic: str | None) -> list[tuple[int, str]]:
    """Return line and ETag of what is in the dead-letter topic, of this job where its id is given."""
    if topic is None:
        return []
    with closing(PartitionReader(client_config(settings), PartitionRef(topic))) as log:
        letters = filter(None, map(parse_dead_letter, log.values(*log.ends())))
        found = {
            (letter[SOURCE_LINE], str(letter.get("etag", "")))
            for letter in letters
            if settings.job_id in ("", letter["job_id"])
        }
    return sorted(found)


def _conclusion(settings: JobSettings, proof: TopicProof, seconds: float, *, content: bool) -> str:
    where = _partition(settings)
    if proof.holds:
        dead = f", {counted(proof.dead_lettered, 'row')} dead-lettered" if proof.dead_lettered else ""
        what = "every row once, in order, and as it stands in the source" if content else "every row once and in order"
        span = "" if proof.first_offset is None else f", offsets {proof.first_offset} to {proof.last_offset}"
        rate = f"{format_count(round(proof.records / max(seconds, 1e-9)))} records/s"
        return f"[green]PROVEN[/] {where}: {what}: {counted(proof.records, 'record')}{dead}{span} ({rate})"
    rest = "".join(f"\n  {shown(each)}" for each in proof.differences[1:])
    if proof.is_full:
        rest += f"\n  the reading ended with these {MOST_DIFFERENCES}: there may be more behind them"
    return f"[red]DIFFERENT[/] {where}: {shown(proof.differences[0])}{rest}"
