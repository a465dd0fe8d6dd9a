"""Puts a job together: settings in, parts out. Adapters are chosen here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contracts.errors import SettingsError
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.checkpoint.lease import owner_name
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import CheckpointsUnavailableError, JobUsageError
from sequencer.job.attempt import JobParts
from sequencer.job.dialect_notes import FileDialect
from sequencer.job.input import JobInput, open_input
from sequencer.job.job import pause_s, run_job
from sequencer.job.ranges import plan_ranges, split_input
from sequencer.job.target import ExclusiveTarget, Target, TransactionalTarget
from sequencer.kafka.config import client_config
from sequencer.kafka.native import choose_library
from sequencer.kafka.topics import create_topics_if_missing
from sequencer.metrics.cloudwatch import CloudWatchEmitter, cloudwatch_client
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.progress import Progress
from sequencer.model.schema import Schema, load_schema, parse_schema
from sequencer.model.source_position import SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest
from sequencer.source.files import SourceFile, open_sources

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
Observe = Callable[[str, Progress], None]


def open_job_input(settings: JobSettings, dialects: Sequence[FileDialect] = ()) -> JobInput:
    """Open the files of a job and read their headers, as ``dialects`` say for what the settings leave open.

    Raises:
        CsvPipeError: they are not there, not allowed, or no CSV.
    """
    schema = load_job_schema(settings)
    return open_input(_open_sources(settings, settings.sources), settings=settings, schema=schema, dialects=dialects)


def load_job_schema(settings: JobSettings) -> Schema:
    """Read the schema of a job, from a local file or from S3 (``s3://bucket/key``).

    Raises:
        CsvPipeError: it cannot be read, or is no schema.
    """
    name = settings.schema_file
    if not name.startswith("s3://"):
        return load_schema(name)
    if name.endswith("/"):
        raise SettingsError(f"SCHEMA_FILE {name} is a prefix; give the key of one object")
    (file,) = _open_sources(settings, (name,))
    with file.open() as pieces:
        return parse_schema(b"".join(pieces), name)


def _open_sources(settings: JobSettings, names: Sequence[str]) -> list[SourceFile]:
    return open_sources(names, connect=_connector(settings), retries=settings.retries, payer=settings.s3_request_payer)


def run_sequence(
    settings: JobSettings,
    source: JobInput,
    *,
    stop: StopRequest,
    observers: Sequence[Observe] = (),
) -> list[Checkpoint]:
    """Send the rows of ``source``, by one job or by one for each range; return the last checkpoint of each.

    Args:
        settings: complete (:meth:`JobSettings.check_complete`).
        source: what is read.
        stop: the wish to end early.
        observers: told of the counters of each job before it starts.

    Raises:
        CsvPipeError: a job cannot go on; the others were told to stop.
        StopRequestedError: ``stop`` came before the first job was begun.
    """
    choose_library(settings.librdkafka)
    client = client_config(settings)
    checkpoints = open_checkpoints(settings)
    _check_same_form(settings, checkpoints, stop)
    if settings.create_topic:
        dead_letters = {settings.dlq: 1} if settings.on_bad_row == "dead-letter" else {}
        partitions = settings.kafka_partition + settings.partitions
        create_topics_if_missing(client, {settings.kafka_topic: partitions, **dead_letters}, stop=stop)
    inputs = [source] if settings.partitions == 1 else split_input(source, _plan_ranges(settings, source, stop))
    jobs = []
    for number, part in enumerate(inputs):
        job_id = settings.job_id if settings.partitions == 1 else f"{settings.job_id}.p{number}"
        progress = Progress(total_bytes=part.total_bytes)
        for observe in observers:
            observe(job_id, progress)
        jobs.append(
            _job_parts(
                settings,
                # Each has its own view of the files, as each counts what it reads.
                replace(part, sources=[file.copy() for file in part.sources]),
                checkpoints,
                client=client,
                job_id=job_id,
                partition=settings.kafka_partition + number,
                progress=progress,
            )
        )
    # Made once: boto3 makes clients in one thread only, and any thread may use them.
    cloudwatch = cloudwatch_client(settings) if settings.cloudwatch_namespace else None
    if len(jobs) == 1:
        return [_run(jobs[0], stop, cloudwatch)]
    return _run_together(jobs, stop, cloudwatch)


def _run(parts: JobParts, stop: StopRequest, cloudwatch: CloudWatchClient | None) -> Checkpoint:
    """Run one job, with its metrics on their way to CloudWatch where that is wanted."""
    settings = parts.settings
    with ExitStack() as stack:
        if cloudwatch is not None:
            stack.enter_context(
                CloudWatchEmitter(
                    cloudwatch,
                    namespace=settings.cloudwatch_namespace,
                    job_id=parts.job_id,
                    whole_job_id=settings.job_id,
                    progress=parts.progress,
                    cost_per_hour=settings.cost_per_hour,
                )
            )
        return run_job(parts, stop)


def _run_together(jobs: list[JobParts], stop: StopRequest, cloudwatch: CloudWatchClient | None) -> list[Checkpoint]:
    def run(parts: JobParts) -> Checkpoint:
        try:
            return _run(parts, stop, cloudwatch)
        except BaseException as error:
            stop.request(f"{parts.job_id} has failed: {error}")
            raise

    with ThreadPoolExecutor(len(jobs), thread_name_prefix="range") as pool:
        running = [pool.submit(run, parts) for parts in jobs]
    return [each.result() for each in running]


def _plan_ranges(settings: JobSettings, source: JobInput, stop: StopRequest) -> list[SourcePosition]:
    """Return the places between the ranges: the same at each start, as they follow from the content."""
    _log.info("looking for the %d places between the ranges", settings.partitions - 1)
    places = plan_ranges(source, settings.partitions, check_stop=stop.check)
    if len(places) + 1 < settings.partitions:
        _log.warning(
            "too few rows for %d ranges: there are %d, and the partitions behind these get nothing",
            settings.partitions,
            len(places) + 1,
        )
    return places


def _check_same_form(settings: JobSettings, checkpoints: CheckpointStore, stop: StopRequest) -> None:
    """Refuse a job that began in the other form, as one or as one for each range: it would know nothing of that one.

    Raises:
        JobUsageError: it did; its rows would be sent a second time.
    """
    whole, ranged = settings.job_id, f"{settings.job_id}.p0"
    own, other = (whole, ranged) if settings.partitions == 1 else (ranged, whole)
    if (
        _load_checkpoint(checkpoints, own, settings, stop) is None
        and _load_checkpoint(checkpoints, other, settings, stop) is not None
    ):
        raise JobUsageError(
            f"PARTITIONS: the job {whole} began {'without' if other == whole else 'with'} --partitions (there is a "
            f"checkpoint of {other}), and is to go on {'without' if own == whole else 'with'} it: rows would be sent a "
            "second time. Give it what it began with, or another JOB_ID and empty partitions"
        )


def _load_checkpoint(
    checkpoints: CheckpointStore, job_id: str, settings: JobSettings, stop: StopRequest
) -> Checkpoint | None:
    """Return the last checkpoint of a job, however often the store is away for a moment."""
    for wait_s in map(pause_s, range(1, settings.retries + 1)):
        try:
            return checkpoints.load(job_id)
        except CheckpointsUnavailableError as error:
            _log.warning("%s; again in %.1f s", error.detail, wait_s)
            if stop.wait(wait_s):
                raise
    return checkpoints.load(job_id)


def _job_parts(
    settings: JobSettings,
    source: JobInput,
    checkpoints: CheckpointStore,
    *,
    client: dict[str, Any],
    job_id: str,
    partition: int,
    progress: Progress,
) -> JobParts:
    return JobParts(
        settings=settings,
        job_id=job_id,
        partition=partition,
        source=source,
        target=_target(settings, client, source, job_id, partition),
        checkpoints=checkpoints,
        owner=owner_name(),
        client=client,
        progress=progress,
    )


def _target(settings: JobSettings, client: dict[str, Any], source: JobInput, job_id: str, partition: int) -> Target:
    if settings.mode == "transactional":
        return TransactionalTarget(
            client,
            settings=settings,
            job_id=job_id,
            partition=partition,
            names=source.names,
            before_line=source.begin.line,
            source_bytes=source.total_bytes,
        )
    return ExclusiveTarget(
        client,
        settings=settings,
        partition=partition,
        names=source.names,
        before_line=source.begin.line,
        source_bytes=source.total_bytes,
    )


def _connector(settings: JobSettings) -> Callable[[], S3Client]:
    def connect() -> S3Client:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            region_name=settings.aws_region,
            endpoint_url=settings.s3_endpoint,
            config=Config(retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=10, read_timeout=30),
        )

    return connect
