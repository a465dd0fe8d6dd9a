"""``csvpipe sequence``: stream a CSV into one Kafka partition, in order, exactly once."""

from __future__ import annotations

from typing import Any

import typer

from contracts.number_text import counted, format_count
from csvpipe.console import output, shown
from csvpipe.json_output import JsonOption, print_json
from csvpipe.sequence_progress import showing
from csvpipe.setting_options import options_from
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.job.runner import run_process
from sequencer.logging import configure_logging
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings, load_settings
from sequencer.shutdown import StopRequest, StopRequestedError

_OPTIONS = {
    "source": "source",
    "kafka_bootstrap_servers": "bootstrap-servers",
    "kafka_topic": "topic",
    "create_topic": "create-topic",
    "kafka_partition": "partition",
    "partitions": "partitions",
    "job_id": "job-id",
    "mode": "mode",
    "append": "append",
    "fence": "fence",
    "compression": "compression",
    "compression_level": "compression-level",
    "kafka_security": "security",
    "checkpoint_table": "checkpoint-table",
    "checkpoint_file": "checkpoint-file",
    "checkpoint_interval": "checkpoint-interval",
    "delimiter": "delimiter",
    "encoding": "encoding",
    "schema_file": "schema",
    "on_bad_row": "on-bad-row",
    "dead_letter_topic": "dead-letter-topic",
    "limit": "limit",
    "dry_run": "dry-run",
    "metrics_port": "metrics-port",
    "s3_endpoint": "s3-endpoint",
}


@options_from(JobSettings, _OPTIONS)
def command(*, as_json: JsonOption = False, **given: Any) -> None:  # noqa: ANN401  the generated options
    """Stream a CSV into one Kafka partition, in order, exactly once; a later run resumes where the last one stopped.

    Each row becomes a JSON object of its fields, with _source_line (from 1) and _source_file. The resume point is read
    from the partition itself; the checkpoint is a progress report.

    Exit codes: 0 done, or stopped by TERM with everything acknowledged and the checkpoint saved (see
    STOPPED_EXIT_CODE). 2 wrong usage. 65 bad row, or not CSV. 66 source not found or changed. 73 topic or partition not
    found. 74 Kafka has lost records. 75 temporary failure, or the job is running elsewhere: run it again. 76 another
    producer writes to the partition, the order is broken, or the object store returned an unexpected response. 77
    permission denied. 78 invalid setting.

    Every setting can also be given as an environment variable; see .env.example for all of them.
    """
    settings = load_settings(**given)
    settings.check_complete()
    configure_logging(settings)
    if settings.dry_run:
        _dry_run(open_job_input(settings), as_json=as_json)
        return
    stop = StopRequest(within_s=settings.stop_within_s)
    counters: dict[str, Progress] = {}
    try:
        with showing() as shown_jobs:
            finals = run_process(settings, stop=stop, observers=[shown_jobs.add, counters.__setitem__])
    except StopRequestedError:
        if as_json:
            print_json({"stopped": stop.reason, "jobs": []})
        else:
            output().print(f"[yellow]STOPPED[/] {settings.job_id} ({shown(stop.reason)}): the job had not started yet")
        raise typer.Exit(settings.stopped_exit_code) from None
    all_done = all(final.status is JobStatus.DONE for final in finals)
    if as_json:
        jobs = [_document(final, counters[final.job_id]) for final in finals]
        print_json({"stopped": None if all_done else stop.reason, "jobs": jobs})
    else:
        for final in finals:
            output().print(_summary(final, counters[final.job_id], stop))
    if not all_done:
        raise typer.Exit(settings.stopped_exit_code)


def _dry_run(job: JobInput, *, as_json: bool) -> None:
    """Read, encode and count the rows."""
    rows = size_bytes = dead = 0
    for block in job.encoded(place=job.begin, last_line=0):
        rows += len(block.records)
        size_bytes += block.records.size_bytes
        dead += len(block.dead)
    if as_json:
        print_json({"records": rows, "size_bytes": size_bytes, "dead_lettered": dead})
        return
    text = f"{counted(rows, 'record')} of {counted(size_bytes, 'byte')} would be sent"
    output().print(f"{text}, {counted(dead, 'row')} would be dead-lettered" if dead else text)


def _document(final: Checkpoint, progress: Progress) -> dict[str, object]:
    """Return the end of a job for ``--json``; ``sent_now`` are the records of this run."""
    return {
        "job_id": final.job_id,
        "status": final.status.value,
        "topic": final.topic,
        "partition": final.partition,
        "records": final.total_sent,
        "found_records": final.found_records,
        "dead_lettered": final.dead_lettered,
        "first_offset": final.first_offset if final.total_sent else None,
        "last_offset": None if final.last_offset == -1 else final.last_offset,
        "last_line": final.last_line,
        "sent_now": progress.records_sent,
        "sending_s": round(progress.sending_s, 3),
    }


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
