"""``csvpipe sequence``: a CSV into one Kafka partition, in order, exactly once."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.counts import counted, format_count
from csvpipe.console import output, shown
from csvpipe.delimiter_help import DELIMITER_HELP
from csvpipe.sequence_progress import showing
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.job.runner import run_process
from sequencer.logging import configure_logging
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.settings import load_settings
from sequencer.shutdown import StopRequest, StopRequestedError


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
    stop = StopRequest(within_s=settings.stop_within_s)
    counters: dict[str, Progress] = {}
    try:
        with showing() as shown_jobs:
            finals = run_process(settings, stop=stop, observers=[shown_jobs.add, counters.__setitem__])
    except StopRequestedError:
        output().print(f"[yellow]STOPPED[/] {settings.job_id} ({shown(stop.reason)}): the job had not started yet")
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
    where = str(PartitionRef(final.topic, final.partition))
    rows = counted(final.total_sent, "record")
    if final.found_records:
        rows += f" (including {format_count(final.found_records)} found there when the job had no checkpoint)"
    dead = f", {counted(final.dead_lettered, 'dead letter')}" if final.dead_lettered else ""
    if final.status is not JobStatus.DONE:
        return (
            f"[yellow]STOPPED[/] {final.job_id} ({shown(stop.reason)}): {rows} in {where}{dead}, up to row "
            f"{format_count(final.last_line)}; run the same command again to continue"
        )
    text = f"[green]DONE[/] {final.job_id}: {rows} in {where}{_offsets(final)}{dead}"
    if progress.records_sent:
        rate = format_count(round(progress.records_sent / max(progress.sending_s, 1e-3)))
        text += f"; this run sent {format_count(progress.records_sent)} in {progress.sending_s:.1f} s ({rate}/s)"
    return text


def _offsets(final: Checkpoint) -> str:
    """Return the job's offsets: the first and the last one, or only the first if there are others between them."""
    if not final.total_sent:
        return ""
    last = final.first_offset + final.total_sent - 1
    if final.last_offset in (-1, last):
        return f" (offsets {final.first_offset}-{last})"
    return f" (from offset {final.first_offset})"
