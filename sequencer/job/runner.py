"""Runs the jobs of a process: signals and metrics, ranges, and the parts of each job. Adapters are chosen here only."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from contracts.backoff import Backoff
from sequencer.aws.interruption import InterruptionWatch, wait_if_reclaimed
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.checkpoint.lease import owner_name
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import CheckpointsUnavailableError, JobUsageError
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.input.ranges import plan_ranges, split_input
from sequencer.job.attempt import JobParts
from sequencer.job.job import RETRY_BACKOFF, run_job
from sequencer.job.target import ExclusiveTarget, Target, TransactionalTarget
from sequencer.kafka.client import ClientConfig, client_config
from sequencer.kafka.native import load_library
from sequencer.kafka.topics import create_topics_if_missing
from sequencer.metrics.cloudwatch import CloudWatchEmitter, cloudwatch_client
from sequencer.metrics.prometheus import JobCollector, serving_metrics
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.partition import PartitionRef
from sequencer.model.progress import Progress
from sequencer.model.source_position import SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, exiting_in_time, stopping_on_signals

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

_log = logging.getLogger(__name__)
Observe = Callable[[str, Progress], None]
RunJob = Callable[[JobParts, StopRequest], Checkpoint]
_GC_THRESHOLD = 50_000
"""Net number of new objects that starts a search for cycles; a batch allocates a few thousand."""


def run_process(settings: JobSettings, *, stop: StopRequest, observers: Sequence[Observe] = ()) -> list[Checkpoint]:
    """Run the jobs of the settings as the work of this process, until their end, TERM or the end of the machine.

    Args:
        settings: complete settings (:meth:`JobSettings.check_complete`).
        stop: the stop request, which signals and interruption notices set.
        observers: called with the counters of each job before it starts.

    Raises:
        CsvPipeError: a job cannot continue.
        StopRequestedError: a stop was requested before the first job started.
    """
    _tune_garbage_collection()
    with ExitStack() as stack:
        # First, because the first process of a container ignores signals that it does not handle.
        stack.enter_context(stopping_on_signals(stop))
        stack.enter_context(exiting_in_time(stop))
        source = open_job_input(settings)
        if settings.metrics_port:
            collector = JobCollector(cost_per_hour=settings.cost_per_hour)
            stack.enter_context(serving_metrics(collector, port=settings.metrics_port))
            observers = [*observers, collector.add]
        if settings.interruption_check:
            wait_if_reclaimed(stop)
            stack.enter_context(InterruptionWatch(stop.request))
        stop.check()
        return run_sequence(settings, source, stop=stop, observers=observers)


def _tune_garbage_collection() -> None:
    """Collect cycles less often: each batch makes thousands of objects, and the searches took a fifth of the time."""
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def run_sequence(
    settings: JobSettings,
    source: JobInput,
    *,
    stop: StopRequest,
    observers: Sequence[Observe] = (),
    run_job: RunJob = run_job,
    backoff: Backoff = RETRY_BACKOFF,
) -> list[Checkpoint]:
    """Send the rows of ``source``, as one job or as one for each range; return the last checkpoint of each.

    Args:
        settings: complete settings (:meth:`JobSettings.check_complete`).
        source: the input.
        stop: the stop request.
        observers: called with the counters of each job before it starts.
        run_job: runs one job.
        backoff: pauses while the checkpoint store is unavailable.

    Raises:
        CsvPipeError: a job cannot continue; the others were asked to stop.
        StopRequestedError: a stop was requested before the first job started.
    """
    load_library(settings.librdkafka)  # fails now rather than at the first record
    client = client_config(settings)
    checkpoints = open_checkpoints(settings)
    _check_same_form(settings, checkpoints, stop, backoff)
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
                partition=PartitionRef(settings.kafka_topic, settings.kafka_partition + number),
                progress=progress,
            )
        )
    # Created once: boto3 creates clients in one thread only, and any thread may use them.
    cloudwatch = cloudwatch_client(settings) if settings.cloudwatch_namespace else None

    def run(parts: JobParts) -> Checkpoint:
        with _sending_metrics(parts, cloudwatch):
            return run_job(parts, stop)

    if len(jobs) == 1:
        return [run(jobs[0])]
    return _run_together(jobs, run, stop)


def _sending_metrics(parts: JobParts, cloudwatch: CloudWatchClient | None) -> ExitStack:
    """Return the context in which a job's metrics are sent to CloudWatch, if there is a client for it."""
    settings, stack = parts.settings, ExitStack()
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
    return stack


def _run_together(
    jobs: list[JobParts], run_one: Callable[[JobParts], Checkpoint], stop: StopRequest
) -> list[Checkpoint]:
    def run(parts: JobParts) -> Checkpoint:
        try:
            return run_one(parts)
        except BaseException as error:
            stop.request(f"{parts.job_id} has failed: {error}")
            raise

    with ThreadPoolExecutor(len(jobs), thread_name_prefix="range") as pool:
        running = [pool.submit(run, parts) for parts in jobs]
    return [each.result() for each in running]


def _plan_ranges(settings: JobSettings, source: JobInput, stop: StopRequest) -> list[SourcePosition]:
    """Return the positions between the ranges: the same at each start, as they depend only on the content."""
    _log.info("Scanning the source for the boundaries of its ranges", extra={"ranges": settings.partitions})
    boundaries = plan_ranges(source, settings.partitions, check_stop=stop.check)
    if len(boundaries) + 1 < settings.partitions:
        _log.warning(
            "Source has too few rows for PARTITIONS; the last partitions get no records",
            extra={"partitions": settings.partitions, "ranges": len(boundaries) + 1},
        )
    return boundaries


def _check_same_form(settings: JobSettings, checkpoints: CheckpointStore, stop: StopRequest, backoff: Backoff) -> None:
    """Reject a job that was started in the other form, as one or as one per range: it does not see that progress.

    Raises:
        JobUsageError: it was; its rows would be sent a second time.
    """
    whole, ranged = settings.job_id, f"{settings.job_id}.p0"
    own, other = (whole, ranged) if settings.partitions == 1 else (ranged, whole)

    def exists(job_id: str) -> bool:
        return _load_checkpoint(checkpoints, job_id, settings, stop, backoff) is not None

    if not exists(own) and exists(other):
        raise JobUsageError(
            f"PARTITIONS: job {whole} was started {'without' if other == whole else 'with'} --partitions (there is a "
            f"checkpoint of {other}) and cannot resume {'without' if own == whole else 'with'} it: rows would be sent "
            "a second time. Restore the original value, or use a new JOB_ID and empty partitions"
        )


def _load_checkpoint(
    checkpoints: CheckpointStore, job_id: str, settings: JobSettings, stop: StopRequest, backoff: Backoff
) -> Checkpoint | None:
    """Return the last checkpoint of a job, retrying while the store is unavailable."""
    for attempt in range(1, settings.retries + 1):
        try:
            return checkpoints.load(job_id)
        except CheckpointsUnavailableError as error:
            wait_s = backoff.wait_s(attempt)
            _log.warning(
                "Checkpoint store is unavailable; retrying",
                extra={"job_id": job_id, "error": error.detail, "attempt": attempt, "wait_s": wait_s},
            )
            if stop.wait(wait_s):
                raise
    return checkpoints.load(job_id)


def _job_parts(
    settings: JobSettings,
    source: JobInput,
    checkpoints: CheckpointStore,
    *,
    client: ClientConfig,
    job_id: str,
    partition: PartitionRef,
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


def _target(
    settings: JobSettings, client: ClientConfig, source: JobInput, job_id: str, partition: PartitionRef
) -> Target:
    if settings.mode == "transactional":
        return TransactionalTarget(client, settings=settings, job_id=job_id, partition=partition, source=source)
    return ExclusiveTarget(client, settings=settings, partition=partition, source=source)
