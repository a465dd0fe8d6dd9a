"""Puts the uploader together: settings in, an application out. Adapters are chosen here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from contracts.errors import SettingsError
from uploader.api.middleware.body_limit import BodyLimit
from uploader.api.middleware.download_spans import DownloadSpans
from uploader.api.middleware.request_metrics import RequestMetrics
from uploader.api.middleware.upgrade_offers import UpgradeOffers
from uploader.api.openapi import operation_id, render_document
from uploader.api.problems import add_problem_handlers
from uploader.api.routes import chunks, health, metrics, upload, uploads
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directory_lock import lock_shared
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ManifestUnavailableError
from uploader.http.http_limits import HttpLimits
from uploader.ingest.concurrency_limit import ConcurrencyLimit
from uploader.kafka.kafka_publisher import KafkaPublisher
from uploader.kafka.publisher import Publisher
from uploader.monitoring.exposition import MetricsPage
from uploader.monitoring.measured_publisher import MeasuredPublisher
from uploader.monitoring.readiness import KafkaProbe, Readiness
from uploader.monitoring.replica_gauges import DiskLimits, ReplicaGauges
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock, IncreasingClock, utc_now
from uploader.runtime.logging import configure_logging
from uploader.runtime.periodic_task import PeriodicTask
from uploader.settings import Settings, load_settings
from uploader.store.store import Store, open_store
from uploader.tracing import check_tracing, open_spans
from uploader.uploads.acceptance import Acceptance
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler
from uploader.uploads.recovery import make_room, recover
from uploader.uploads.replicas import Replicas
from uploader.uploads.service import UploadService

ROUTERS = (upload.router, uploads.router, chunks.router, health.router, metrics.router)
_STOP_S = 15.0
"""How long the background work may take to stop; a publish that waits for Kafka has 10 of them."""
_FLUSH_S = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Seconds between two passes of the background work; tests make them short."""

    outbox_s: float = 2.0
    probe_s: float = 5.0
    check_in_s: float = 5.0
    reconcile_s: float = 15.0
    clean_s: float = 30.0
    longest_s: float = 30.0


def create_app(
    *,
    settings: Settings | None = None,
    publisher: Publisher | None = None,
    clock: Clock = utc_now,
    intervals: Intervals = Intervals(),
) -> FastAPI:
    """Return the application, for ``uvicorn uploader.app:create_app --factory``.

    Without ``settings`` they come from the environment and ``.env``. Nothing is opened before the server starts it.

    Raises:
        SystemExit: a setting is wrong; the text names it. (Not where ``settings`` are given.)
    """
    settings = settings or _settings_or_exit()
    configure_logging(level=settings.log_level, form=settings.log_format)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            await _start(app, stack, settings=settings, publisher=publisher, clock=clock, intervals=intervals)
            yield HttpLimits.from_settings(settings).as_state()
            _log.info("Stopping")

    app = FastAPIOffline(
        title="CSV ingestion: uploader",
        summary="Huge CSV files in; complete and provably intact objects out.",
        version=version("csvpipe"),
        lifespan=lifespan,
        static_url="/docs/assets",
        redoc_url=None,
        swagger_ui_parameters={"validatorUrl": None},
        generate_unique_id_function=operation_id,
    )
    app.openapi = partial(render_document, app)  # type: ignore[method-assign]  # as FastAPI's documentation has it
    app.state.settings = settings
    app.state.moments = IncreasingClock(clock)
    app.state.upload_slots = ConcurrencyLimit(limit=settings.max_concurrent_uploads)
    if settings.otel_exporter_otlp_endpoint is not None:
        app.add_middleware(DownloadSpans)
    app.add_middleware(BodyLimit, within_s=settings.request_timeout_s)
    app.add_middleware(UpgradeOffers)
    app.state.metrics_page = MetricsPage()
    app.add_middleware(RequestMetrics, metrics=app.state.metrics_page.metrics)
    add_problem_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


async def _start(
    app: FastAPI,
    stack: AsyncExitStack,
    *,
    settings: Settings,
    publisher: Publisher | None,
    clock: Clock,
    intervals: Intervals,
) -> None:
    """Open what the uploader needs; ``stack`` closes it in the opposite order."""
    replica = _identity(settings)
    files = ChunkFiles(settings.temp_dir)
    # One thread for each upload that is announced, and one for each loop: none waits for another.
    threads = BlockingPool(name="uploader", size=settings.max_concurrent_uploads + 5)
    stack.push_async_callback(threads.close)
    await threads.run(files.create_root)
    shared = await threads.run(lock_shared, settings.temp_dir)
    stack.callback(os.close, shared)
    app.state.spans = spans = open_spans(settings)
    stack.push_async_callback(threads.run, spans.close)
    ballast = BallastFile(settings.ballast_path, size_bytes=settings.ballast_bytes)
    await threads.run(make_room, files=files, ballast=ballast)
    store = await threads.run(open_store, settings.store_url)
    stack.push_async_callback(threads.run, store.close)
    page: MetricsPage = app.state.metrics_page
    publisher = MeasuredPublisher(publisher or _kafka(settings, replica.worker), metrics=page.metrics)
    stack.push_async_callback(threads.run, publisher.close, timeout_s=_FLUSH_S)

    outbox = Outbox(store=store, publisher=publisher, replica=replica, clock=clock, spans=spans)
    cleaner = _cleaner(settings, store=store, files=files, ballast=ballast, replica=replica, clock=clock)
    await threads.run(recover, store=store, files=files, cleaner=cleaner, replica=replica.name, clock=clock)
    replicas = Replicas(store=store, replica=replica, clock=clock)
    await threads.run(_check_in_or_log, replicas)
    await threads.run(ballast.create)
    event_loop = asyncio.get_running_loop()

    def loop(
        name: str, step: Callable[[], bool], interval_s: float, longest_s: float = intervals.longest_s
    ) -> PeriodicTask:
        return PeriodicTask(name=name, step=step, pool=threads, interval_s=interval_s, longest_s=longest_s)

    announcing = loop("outbox", outbox.run_pass, intervals.outbox_s)

    def wake_outbox() -> None:
        event_loop.call_soon_threadsafe(announcing.wake)

    probe = KafkaProbe(publisher, on_return=wake_outbox)
    reconciler = Reconciler(
        store=store,
        replica=replica,
        after=timedelta(minutes=settings.reannounce_after_minutes),
        limit=settings.reannounce_limit,
        clock=clock,
    )
    stack.push_async_callback(threads.run, _drop_leases, cleaner, reconciler)
    app.state.wake_outbox = wake_outbox
    app.state.readiness = Readiness(
        kafka=probe, store=store, files=files, min_free_disk_bytes=settings.min_free_disk_bytes
    )
    page.show(
        ReplicaGauges(
            store=store,
            readiness=app.state.readiness,
            temp_dir=settings.temp_dir,
            limits=DiskLimits(low=settings.low_disk_bytes, kept_free=settings.min_free_disk_bytes),
            replica=replica,
            clock=clock,
        )
    )
    app.state.acceptance = Acceptance(
        store=store,
        outbox=outbox,
        threads=threads,
        replica=replica,
        bucket=settings.s3_bucket,
        clock=clock,
    )
    app.state.service = UploadService(
        store=store,
        files=files,
        outbox=outbox,
        replicas=replicas,
        replica=replica,
        reannounce_limit=settings.reannounce_limit,
        clock=clock,
        ballast=ballast,
        on_landed=page.metrics.count_landing,
    )
    await stack.enter_async_context(
        _running(
            # Never less often: its finding Kafka back is what wakes the outbox.
            loop("kafka probe", probe.run_pass, intervals.probe_s, intervals.probe_s),
            loop("check-in", replicas.check_in, intervals.check_in_s, intervals.check_in_s),
            announcing,
            loop("reconciliation", reconciler.run_pass, intervals.reconcile_s),
            loop("cleaner", cleaner.run_pass, intervals.clean_s),
        )
    )
    _log.info("Replica %s serves %s from %s", replica.name, replica.base_url, settings.temp_dir)


def _identity(settings: Settings) -> ReplicaIdentity:
    name = settings.replica_name
    worker = f"{name}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    return ReplicaIdentity(name=name, base_url=settings.base_url, worker=worker)


def _kafka(settings: Settings, worker: str) -> KafkaPublisher:
    return KafkaPublisher(
        brokers=settings.kafka_brokers,
        topic=settings.kafka_topic_ingest,
        partitions=settings.kafka_partitions,
        client_id=f"csvpipe-uploader/{worker}",
    )


def _check_in_or_log(replicas: Replicas) -> None:
    try:
        replicas.check_in()
    except ManifestUnavailableError as error:  # it is done again in seconds, and must not stop the start
        _log.warning("Not checked in yet: %s", error.detail)


def _cleaner(
    settings: Settings, *, store: Store, files: ChunkFiles, ballast: BallastFile, replica: ReplicaIdentity, clock: Clock
) -> Cleaner:
    return Cleaner(
        store=store,
        files=files,
        replica=replica,
        after=timedelta(hours=settings.cleanup_after_hours),
        low_disk_bytes=settings.low_disk_bytes,
        clock=clock,
        ballast=ballast,
    )


def _drop_leases(*workers: Cleaner | Reconciler) -> None:
    with suppress(ManifestUnavailableError):  # they run out by themselves
        for worker in workers:
            worker.stop()


@asynccontextmanager
async def _running(*loops: PeriodicTask) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        _, late = await asyncio.wait(tasks, timeout=_STOP_S)
        for task in late:
            task.cancel()


def _settings_or_exit() -> Settings:
    try:
        settings = load_settings(env_file=Path(".env"))
        check_tracing(settings)
    except SettingsError as error:
        # A server that starts this factory would print a traceback of anything else.
        raise SystemExit(f"csvpipe uploader: invalid settings: {error.detail}") from error
    return settings
