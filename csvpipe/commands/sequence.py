"""``csvpipe sequence``: a CSV into one Kafka partition, in order, exactly once."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import Annotated

import typer

from contracts.counts import counted, format_count
from csvpipe.console import output, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.sequence_progress import showing
from sequencer.aws.interruption import InterruptionWatch, wait_on_machine_that_goes
from sequencer.job.input import JobInput
from sequencer.job.runner import open_job_input, run_sequence
from sequencer.logging import configure_logging
from sequencer.metrics.prometheus import JobCollector, serving_metrics
from sequencer.model.checkpoint import FOUND_RECORDS, Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.settings import load_settings
from sequencer.shutdown import StopRequest, StopRequestedError, exiting_in_time, stopping_on_signals

_GC_THRESHOLD = 50_000
"""Objects more than before that start a search for cycles; a batch has a few thousand."""


def command(
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(help="s3://bucket/key, s3://bucket/prefix/ or a file; several are one sequence."),
    ] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka brokers, host:port, with commas.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic.")] = None,
    create_topic: Annotated[
        bool | None, typer.Option("--create-topic", help="Make the topic if it is missing.")
    ] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Partition of the topic.")] = None,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Cut the source into so many ranges, one partition each, from --partition on."),
    ] = None,
    job_id: Annotated[str | None, typer.Option(help="Name of the job; the same name goes on where it stopped.")] = None,
    mode: Annotated[str | None, typer.Option(help="exclusive, or transactional for a shared partition.")] = None,
    append: Annotated[bool | None, typer.Option("--append", help="Start behind the records of others.")] = None,
    fence: Annotated[
        bool | None,
        typer.Option("--fence/--no-fence", help="Let Kafka refuse requests of an earlier try that arrive late."),
    ] = None,
    compression: Annotated[str | None, typer.Option(help="gzip, lz4, zstd, snappy or none.")] = None,
    compression_level: Annotated[int | None, typer.Option(help="Level of the compression.")] = None,
    security: Annotated[str | None, typer.Option(help="plaintext, tls, scram or iam.")] = None,
    checkpoint_table: Annotated[str | None, typer.Option(help="DynamoDB table of the checkpoints.")] = None,
    checkpoint_file: Annotated[str | None, typer.Option(help="SQLite file of the checkpoints.")] = None,
    checkpoint_interval: Annotated[int | None, typer.Option(min=1, help="Records between two checkpoints.")] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the source.")] = None,
    schema: Annotated[str | None, typer.Option(help="JSON or YAML file that types columns.")] = None,
    on_bad_row: Annotated[str | None, typer.Option(help="stop, or dead-letter.")] = None,
    dead_letter_topic: Annotated[str | None, typer.Option(help="Where bad rows go.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Rows after which the job is done.")] = None,
    dry_run: Annotated[bool | None, typer.Option("--dry-run", help="Read, encode and count; send nothing.")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port for Prometheus.")] = None,
    s3_endpoint: Annotated[str | None, typer.Option(help="Object store, where it is not Amazon's.")] = None,
) -> None:
    """Stream a CSV into one Kafka partition, in order, exactly once; a new start goes on where the last one stopped.

    Each row becomes a JSON object of its fields, with _source_line (from 1) and _source_file. The log's own tail tells
    where to go on; the checkpoint is a progress report.

    Exit codes: 0 done, or stopped by TERM with all acknowledged and the checkpoint saved (then STOPPED_EXIT_CODE). 64
    options that do not go together. 65 a bad row, or no CSV. 66 the source is not there, or has changed. 73 no such
    topic or partition. 74 Kafka has lost records. 75 a service was away, or another process runs the job: start it
    again as it is. 76 somebody else writes to the partition, the order is broken, or the object store answers with
    something else than what was asked for. 77 not allowed. 78 a setting is wrong.

    Every option is an environment variable as well, under the names of .env.example.
    """
    settings = load_settings(
        source=tuple(source) if source else None,
        kafka_bootstrap_servers=bootstrap_servers,
        kafka_topic=topic,
        create_topic=create_topic,
        kafka_partition=partition,
        partitions=partitions,
        job_id=job_id,
        mode=mode,
        append=append,
        fence=fence,
        compression=compression,
        compression_level=compression_level,
        kafka_security=security,
        checkpoint_table=checkpoint_table,
        checkpoint_file=checkpoint_file,
        checkpoint_interval=checkpoint_interval,
        delimiter=delimiter,
        encoding=encoding,
        schema_file=schema,
        on_bad_row=on_bad_row,
        dead_letter_topic=dead_letter_topic,
        limit=limit,
        dry_run=dry_run,
        metrics_port=metrics_port,
        s3_endpoint=s3_endpoint,
    )
    settings.check_complete()
    configure_logging(settings)
    if settings.dry_run:
        _dry_run(open_job_input(settings))
        return
    # A batch makes thousands of objects that are gone with it; looking for cycles among them took a fifth of the time.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    stop = StopRequest(within_s=settings.stop_within_s)
    with ExitStack() as stack:
        # First, as the first process of a container is not ended by a signal that it does not take.
        stack.enter_context(stopping_on_signals(stop))
        stack.enter_context(exiting_in_time(stop))
        job = open_job_input(settings)
        counters: dict[str, Progress] = {}
        observers = [stack.enter_context(showing()).add, counters.__setitem__]
        if settings.metrics_port:
            collector = JobCollector(cost_per_hour=settings.cost_per_hour)
            stack.enter_context(serving_metrics(collector, port=settings.metrics_port))
            observers.append(collector.add)
        try:
            if settings.interruption_check:
                wait_on_machine_that_goes(stop)
                stack.enter_context(InterruptionWatch(stop.request))
            stop.check()
            finals = run_sequence(settings, job, stop=stop, observers=observers)
        except StopRequestedError:
            output().print(f"[yellow]STOPPED[/] {settings.job_id} ({shown(stop.reason)}): nothing was begun yet")
            raise typer.Exit(settings.stopped_exit_code) from None
    for final in finals:
        output().print(_summary(final, counters[final.job_id], stop))
    if any(final.status is not JobStatus.DONE for final in finals):
        raise typer.Exit(settings.stopped_exit_code)


def _dry_run(job: JobInput) -> None:
    """Read, encode and count."""
    rows = size_bytes = dead = 0
    for block in job.encoded(place=job.begin, last_line=0):
        rows += len(block.records)
        size_bytes += block.records.size_bytes
        dead += len(block.dead)
    text = f"{counted(rows, 'record')} of {counted(size_bytes, 'byte')} would be sent"
    output().print(f"{text}, {counted(dead, 'row')} would be dead-lettered" if dead else text)


def _summary(final: Checkpoint, progress: Progress, stop: StopRequest) -> str:
    where = f"{final.topic}[{final.partition}]"
    rows = counted(final.total_sent, "record")
    if found := final.extra.get(FOUND_RECORDS):
        rows += f" (of which it found {format_count(int(found))} there when it had no checkpoint)"
    dead = f", {counted(final.dead_lettered, 'dead letter')}" if final.dead_lettered else ""
    if final.status is JobStatus.DONE:
        last = final.first_offset + final.total_sent - 1
        first_last = f", the first at offset {final.first_offset}" + (
            f", the last at {last}" if final.total_sent and final.extra.get("last_offset", last) == last else ""
        )
        rate = format_count(round(progress.records_sent / max(progress.sending_s, 1e-3)))
        sent = f" ({format_count(progress.records_sent)} now, in {progress.sending_s:.1f} s: {rate} records/s)"
        return (
            f"[green]DONE[/] {final.job_id}: {rows} in {where}{dead}{first_last}{sent if progress.records_sent else ''}"
        )
    return (
        f"[yellow]STOPPED[/] {final.job_id} ({shown(stop.reason)}): {rows} in {where}{dead}, up to row "
        f"{format_count(final.last_line)}; the same command goes on there"
    )
