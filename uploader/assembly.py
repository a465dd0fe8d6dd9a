"""The assembly of the uploader's parts. Adapters are chosen here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from contracts.spans import Spans
from uploader.access.fixed_keys import fixed_keys
from uploader.access.open_access import describe_access
from uploader.access.signed_address import AddressSigner
from uploader.access.upload_limits import UploadLimits
from uploader.api.runtime import Runtime
from uploader.bucket.object_checker import NoObjectChecker
from uploader.bucket.s3_lookup import S3Lookup
from uploader.bucket.s3_object_checker import S3ObjectChecker
from uploader.bucket.s3_object_reader import S3ObjectReader
from uploader.disk.audit_log_file import AuditLogFile
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directory_lock import lock_shared
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ManifestUnavailableError
from uploader.ingest.concurrency_limit import ConcurrencyLimit, half_of, too_many_previews, too_many_streams
from uploader.kafka.kafka_publisher import KafkaPublisher
from uploader.kafka.publisher import Publisher
from uploader.kafka.security import KafkaSecurity
from uploader.keys.key_authenticator import KeyAuthenticator
from uploader.keys.key_service import KeyService
from uploader.monitoring.measured_publisher import MeasuredPublisher
from uploader.monitoring.metrics import UploaderMetrics
from uploader.monitoring.metrics_page import MetricsPage
from uploader.monitoring.readiness import KafkaProbe, Readiness
from uploader.monitoring.refusal_recorder import RefusalRecorder
from uploader.monitoring.replica_gauges import DiskLimits, ReplicaGauges
from uploader.reading.chunk_starts import ChunkStarts
from uploader.reading.replica_chunks import ReplicaChunks
from uploader.reading.service import ReadingService
from uploader.resumable.background_digests import BackgroundDigests
from uploader.resumable.finisher import Finisher
from uploader.resumable.forwarding import Forwarder
from uploader.resumable.housekeeping import ResumableHousekeeping
from uploader.resumable.registry import ResumableRegistry
from uploader.resumable.service import ResumableUploads
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock, IncreasingClock, utc_now
from uploader.runtime.periodic_task import PeriodicCoroutine, PeriodicTask
from uploader.settings import UPLOAD_WINDOW_S, Settings
from uploader.store.admissions import SLOT_LEASE_S
from uploader.store.store import Store, open_store
from uploader.tracing import open_spans
from uploader.uploads.acceptance import Acceptance
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.datasets import DatasetService
from uploader.uploads.key_limits import KeyLimits
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler
from uploader.uploads.recovery import free_disk_space, recover
from uploader.uploads.replicas import Replicas
from uploader.uploads.service import UploadService
from uploader.uploads.upload_events import UploadEvents

BACKGROUND_STOP_S = 15.0
"""How long the background tasks may take to stop; a publish that waits for Kafka takes up to 10 seconds of it."""
PUBLISHER_FLUSH_S = 3.0
_BACKGROUND_TASKS = 8
_ADMISSION_THREADS = 4
"""Few, so that a flood of uploads takes neither the database's connections nor the threads of accepted ones."""
_PREVIEWS = 32
"""How many previews a worker receives at the same time; each takes 1 MiB of memory."""
_PREVIEW_THREADS = 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Seconds between two passes of the background tasks, and the window of the minimum rate; tests shorten them."""

    outbox_s: float = 2.0
    probe_s: float = 5.0
    check_in_s: float = 5.0
    refusals_s: float = 5.0
    events_s: float = 1.0
    reconcile_s: float = 15.0
    clean_s: float = 30.0
    renew_slots_s: float = SLOT_LEASE_S / 3
    longest_s: float = 30.0
    upload_window_s: float = UPLOAD_WINDOW_S


@dataclass(frozen=True, kw_only=True)
class _Resources:
    """The opened adapters."""

    pool: BlockingPool
    admission_pool: BlockingPool
    preview_pool: BlockingPool
    files: ChunkFiles
    ballast: BallastFile
    spans: Spans
    store: Store
    publisher: Publisher


async def open_runtime(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    metrics_page: MetricsPage,
    publisher: Publisher | None = None,
    clock: Clock = utc_now,
    intervals: Intervals = Intervals(),
) -> Runtime:
    """Open everything that the uploader needs and start its background tasks.

    Args:
        settings: the settings.
        stack: closes everything in the reverse order.
        metrics_page: the counters of the application; gets the gauges of this replica.
        publisher: replaces the Kafka publisher in tests.
        clock: replaces the system clock in tests.
        intervals: of the background tasks.

    Raises:
        SettingsError: ``TEMP_DIR`` cannot be used, or is not this replica's; or ``AUDIT_LOG_FILE`` cannot be written.
        ManifestUnavailableError: the manifest database does not answer.
    """
    replica = _identify(settings)
    resources = await _open_resources(settings, stack, replica=replica, metrics_page=metrics_page, publisher=publisher)
    store, files, ballast, pool = resources.store, resources.files, resources.ballast, resources.pool
    signing_keys = settings.signing_keys or await pool.run(store.signing_keys.all)
    signer = AddressSigner(signing_keys, valid_for=settings.download_expiry, clock=clock)
    outbox = Outbox(
        store=store,
        publisher=resources.publisher,
        replica=replica,
        sign=signer.sign,
        clock=clock,
        spans=resources.spans,
    )
    lookup = _open_lookup(settings)
    cleaner = Cleaner(
        store=store,
        files=files,
        replica=replica,
        after=timedelta(hours=settings.cleanup_after_hours),
        low_disk_bytes=settings.low_disk_bytes,
        clock=clock,
        objects=NoObjectChecker() if lookup is None else S3ObjectChecker(lookup),
        ballast=ballast,
    )
    reconciler = Reconciler(
        store=store,
        replica=replica,
        after=timedelta(minutes=settings.reannounce_after_minutes),
        limit=settings.reannounce_limit,
        clock=clock,
    )
    refusals = RefusalRecorder(store=store)
    key_limits = KeyLimits(
        store=store.admissions,
        threads=resources.admission_pool,
        defaults=UploadLimits(per_minute=settings.uploads_per_minute, at_once=settings.uploads_at_once_per_key),
    )
    replicas = Replicas(store=store, replica=replica, signer=signer, clock=clock)
    await pool.run(recover, store=store, files=files, cleaner=cleaner, replica=replica.name, clock=clock)
    await pool.run(_try_check_in, replicas)
    await pool.run(ballast.create)
    stack.push_async_callback(pool.run, _drop_leases, cleaner, reconciler)
    stack.push_async_callback(pool.run, _write_refusals, refusals)

    def task(
        name: str, step: Callable[[], bool], interval_s: float, longest_s: float = intervals.longest_s
    ) -> PeriodicTask:
        return PeriodicTask(name=name, step=step, pool=pool, interval_s=interval_s, longest_s=longest_s)

    publishing = task("outbox", outbox.run_pass, intervals.outbox_s)
    wake_outbox = _thread_safe(publishing.wake)
    recording = task("refusals", refusals.run_pass, intervals.refusals_s)
    refusals.on_due(_thread_safe(recording.wake))
    probe = KafkaProbe(resources.publisher, on_return=wake_outbox)
    readiness = Readiness(kafka=probe, store=store, files=files, min_free_disk_bytes=settings.min_free_disk_bytes)
    metrics_page.show(
        ReplicaGauges(
            store=store,
            readiness=readiness,
            temp_dir=settings.temp_dir,
            limits=DiskLimits(low=settings.low_disk_bytes, kept_free=settings.min_free_disk_bytes),
            replica=replica,
            clock=clock,
        )
    )
    increasing_clock = IncreasingClock(clock)
    acceptance = Acceptance(
        store=store, outbox=outbox, threads=pool, replica=replica, bucket=settings.s3_bucket, clock=clock
    )
    digests = BackgroundDigests()
    stack.push_async_callback(digests.close)
    resumables = ResumableUploads(
        settings=settings,
        registry=ResumableRegistry(
            settings=settings, store=store, threads=pool, replica=replica, clock=increasing_clock
        ),
        finisher=Finisher(
            settings=settings,
            store=store,
            acceptance=acceptance,
            threads=pool,
            metrics=metrics_page.metrics,
            spans=resources.spans,
        ),
        digests=digests,
        metrics=metrics_page.metrics,
        window_s=intervals.upload_window_s,
    )
    forwarder = Forwarder(replicas=replicas, replica=replica, threads=pool, ca_file=settings.replica_ca_file)
    stack.push_async_callback(forwarder.close)
    housekeeping = ResumableHousekeeping(
        uploads=resumables, store=store, threads=pool, replica=replica, temp_dir=settings.temp_dir, clock=clock
    )
    service = UploadService(
        store=store,
        files=files,
        outbox=outbox,
        replicas=replicas,
        replica=replica,
        reannounce_limit=settings.reannounce_limit,
        clock=clock,
        ballast=ballast,
        on_landed=metrics_page.metrics.count_landing,
    )
    fixed = fixed_keys(settings)
    runtime = Runtime(
        settings=settings,
        store=store,
        authenticator=KeyAuthenticator(keys=store.keys, fixed=fixed, clock=clock),
        keys=KeyService(keys=store.keys, clock=clock, fixed_ids={key.text.key_id for key in fixed}),
        service=service,
        reading=ReadingService(
            settings=settings,
            service=service,
            chunk_starts=ChunkStarts(
                service=service,
                objects=None if lookup is None else S3ObjectReader(lookup),
                replica_chunks=ReplicaChunks(ca_file=settings.replica_ca_file),
            ),
        ),
        datasets=DatasetService(store.datasets),
        events=UploadEvents(store=store.changes, threads=pool, interval_s=intervals.events_s),
        acceptance=acceptance,
        resumables=resumables,
        forwarder=forwarder,
        refusals=refusals,
        readiness=readiness,
        metrics_page=metrics_page,
        spans=resources.spans,
        signer=signer,
        concurrency_limit=ConcurrencyLimit(limit=settings.max_concurrent_uploads),
        preview_limit=ConcurrencyLimit(limit=_PREVIEWS, refusal=too_many_previews, limit_of_key=half_of(_PREVIEWS)),
        preview_threads=resources.preview_pool,
        stream_limit=ConcurrencyLimit(
            limit=settings.max_event_streams,
            refusal=too_many_streams,
            limit_of_key=half_of(settings.max_event_streams),
        ),
        key_limits=key_limits,
        upload_window_s=intervals.upload_window_s,
        clock=increasing_clock,
        wake_outbox=wake_outbox,
    )
    await stack.enter_async_context(
        _running(
            # At a constant interval: when the probe finds Kafka available again, it wakes the outbox.
            task("kafka probe", probe.run_pass, intervals.probe_s, intervals.probe_s),
            task("check-in", replicas.check_in, intervals.check_in_s, intervals.check_in_s),
            task("slot renewal", key_limits.renew, intervals.renew_slots_s, intervals.renew_slots_s),
            publishing,
            recording,
            task("reconciliation", reconciler.run_pass, intervals.reconcile_s),
            task("cleaner", cleaner.run_pass, intervals.clean_s),
            PeriodicCoroutine(
                name="resumable uploads",
                step=housekeeping.run_pass,
                pool=pool,
                interval_s=intervals.clean_s,
                longest_s=intervals.longest_s,
            ),
        )
    )
    _log.info(describe_access(settings, has_keys=await pool.run(_has_keys, store)))
    _log.info(
        "Uploader started",
        extra={"replica": replica.name, "base_url": replica.base_url, "path": str(settings.temp_dir)},
    )
    return runtime


async def _open_resources(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    replica: ReplicaIdentity,
    metrics_page: MetricsPage,
    publisher: Publisher | None,
) -> _Resources:
    # One thread per upload that is being announced, and one per background task: none waits for another.
    pool = BlockingPool(name="uploader", size=settings.max_concurrent_uploads + _BACKGROUND_TASKS)
    stack.push_async_callback(pool.close)
    admission_pool = BlockingPool(name="admission", size=_ADMISSION_THREADS)
    stack.push_async_callback(admission_pool.close)
    preview_pool = BlockingPool(name="preview", size=_PREVIEW_THREADS)
    stack.push_async_callback(preview_pool.close)
    files = ChunkFiles(settings.temp_dir)
    await pool.run(files.create_root)
    stack.callback(os.close, await pool.run(lock_shared, settings.temp_dir))
    spans = open_spans(settings)
    stack.push_async_callback(pool.run, spans.close)
    ballast = BallastFile(settings.ballast_path, size_bytes=settings.ballast_bytes)
    await pool.run(free_disk_space, files=files, ballast=ballast)
    store = await pool.run(_open_store, settings, replica, metrics_page.metrics)
    stack.push_async_callback(pool.run, store.close)
    measured = MeasuredPublisher(publisher or _kafka_publisher(settings, replica), metrics=metrics_page.metrics)
    stack.push_async_callback(pool.run, measured.close, timeout_s=PUBLISHER_FLUSH_S)
    return _Resources(
        pool=pool,
        admission_pool=admission_pool,
        preview_pool=preview_pool,
        files=files,
        ballast=ballast,
        spans=spans,
        store=store,
        publisher=measured,
    )


def _open_store(settings: Settings, replica: ReplicaIdentity, metrics: UploaderMetrics) -> Store:
    if settings.audit_log_file is None:
        return open_store(settings.store_url, replica=replica.name)
    log = AuditLogFile(settings.audit_log_file, on_failure=metrics.count_audit_log_failure)
    log.check()
    return open_store(settings.store_url, replica=replica.name, on_record=log.write)


def _open_lookup(settings: Settings) -> S3Lookup | None:
    if settings.s3_endpoint is None:
        _log.info("Files of landed chunks are removed without a look at the bucket; S3_ENDPOINT is not set")
        return None
    return S3Lookup.from_settings(settings)


def _identify(settings: Settings) -> ReplicaIdentity:
    name = settings.replica_name
    worker = f"{name}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    return ReplicaIdentity(name=name, base_url=settings.base_url, worker=worker)


def _kafka_publisher(settings: Settings, replica: ReplicaIdentity) -> KafkaPublisher:
    return KafkaPublisher(
        brokers=settings.kafka_brokers,
        topic=settings.kafka_topic_ingest,
        partitions=settings.kafka_partitions,
        security=KafkaSecurity.from_settings(settings),
        client_id=f"csvpipe-uploader/{replica.worker}",
    )


def _try_check_in(replicas: Replicas) -> None:
    try:
        replicas.check_in()
    except ManifestUnavailableError as error:  # retried within seconds, and no reason to fail the start
        _log.warning("Check-in failed; retrying later", extra={"error": error.detail})


def _has_keys(store: Store) -> bool:
    try:
        return store.keys.has_any()
    except ManifestUnavailableError:  # as /ready says; the uploader starts all the same
        return True


def _drop_leases(*workers: Cleaner | Reconciler) -> None:
    with suppress(ManifestUnavailableError):  # leases expire
        for worker in workers:
            worker.stop()


def _write_refusals(refusals: RefusalRecorder) -> None:
    try:
        refusals.run_pass()
    except ManifestUnavailableError as error:
        _log.warning("Refusals of the last seconds not recorded", extra={"error": error.detail})


def _thread_safe(call: Callable[[], None]) -> Callable[[], None]:
    """Return a function that makes the event loop run ``call`` soon, from any thread."""
    event_loop = asyncio.get_running_loop()

    def schedule() -> None:
        event_loop.call_soon_threadsafe(call)

    return schedule


@asynccontextmanager
async def _running(*periodic_tasks: PeriodicTask) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(periodic.run()) for periodic in periodic_tasks]
    try:
        yield
    finally:
        for periodic in periodic_tasks:
            periodic.stop()
        _, late = await asyncio.wait(tasks, timeout=BACKGROUND_STOP_S)
        for task in late:
            task.cancel()
