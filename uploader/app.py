"""The application factory: settings in, a FastAPI application out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from contracts.errors import SettingsError
from uploader.api.guards import check_guards
from uploader.api.middleware.access_control import AccessControl
from uploader.api.middleware.body_limit import BodyLimit
from uploader.api.middleware.download_spans import DownloadSpans
from uploader.api.middleware.protected_responses import ProtectedResponses
from uploader.api.middleware.request_metrics import RequestMetrics
from uploader.api.middleware.session_cookies import SessionCookies
from uploader.api.middleware.tus_responses import TusResponses
from uploader.api.middleware.upgrade_offers import UpgradeOffers
from uploader.api.openapi import operation_id, render_document
from uploader.api.problems import add_problem_handlers
from uploader.api.routes import (
    audit,
    chunks,
    datasets,
    docs,
    events,
    health,
    keys,
    metrics,
    own_key,
    page,
    preview,
    reading,
    resumable,
    session,
    upload,
    uploads,
)
from uploader.api.runtime import set_runtime
from uploader.assembly import Intervals, open_runtime
from uploader.http.http_limits import HttpLimits
from uploader.http.server_certificate import ServerCertificate
from uploader.kafka.publisher import Publisher
from uploader.monitoring.metrics_page import MetricsPage
from uploader.resumable.tus_headers import EXPOSED_HEADERS
from uploader.runtime.clock import Clock, utc_now
from uploader.runtime.logging import configure_logging
from uploader.settings import Settings, load_settings
from uploader.tracing import check_tracing

ROUTERS = (
    upload.router,
    uploads.router,
    reading.router,
    datasets.router,
    events.router,
    preview.router,
    resumable.router,
    chunks.router,
    audit.router,
    own_key.router,
    session.router,
    keys.router,
    health.router,
    metrics.router,
    docs.router,
    page.router,
)
_log = logging.getLogger(__name__)


def create_app(
    *,
    settings: Settings | None = None,
    publisher: Publisher | None = None,
    clock: Clock = utc_now,
    intervals: Intervals = Intervals(),  # noqa: B008  frozen
) -> FastAPI:
    """Return the application, for ``uvicorn uploader.app:create_app --factory``.

    Without ``settings`` they are read from the environment and ``.env``. Nothing is opened before the server starts.

    Raises:
        SystemExit: a setting is wrong; the text names it. (Only without ``settings``.)
    """
    settings = settings or _load_settings_or_exit()
    configure_logging(level=settings.log_level, form=settings.log_format)
    metrics_page = MetricsPage()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            runtime = await open_runtime(
                settings, stack, metrics_page=metrics_page, publisher=publisher, clock=clock, intervals=intervals
            )
            set_runtime(app, runtime)
            certificate = ServerCertificate.from_settings(settings)
            yield HttpLimits.from_settings(settings).as_state() | (certificate.as_state() if certificate else {})
            _log.info("Uploader stopping")

    app = FastAPIOffline(
        title="CSV ingestion: uploader",
        summary="Accepts huge CSV files and delivers them to object storage as verified chunks.",
        version=version("csvpipe"),
        lifespan=lifespan,
        static_url=docs.ASSETS,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.openapi = partial(render_document, app)  # type: ignore[method-assign]  # as FastAPI's documentation has it
    if settings.otel_exporter_otlp_endpoint is not None:
        app.add_middleware(DownloadSpans)
    app.add_middleware(BodyLimit, timeout_s=settings.request_timeout_s)
    app.add_middleware(AccessControl, settings=settings)
    app.add_middleware(SessionCookies)
    app.add_middleware(TusResponses)
    app.add_middleware(UpgradeOffers)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origin_list,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(ProtectedResponses)
    app.add_middleware(RequestMetrics, metrics=metrics_page.metrics)
    add_problem_handlers(app)
    for router in ROUTERS:
        check_guards(router)
        app.include_router(router)
    return app


def _load_settings_or_exit() -> Settings:
    try:
        settings = load_settings(env_file=Path(".env"))
        check_tracing(settings)
        ServerCertificate.from_settings(settings)
    except SettingsError as error:
        # A server that runs this factory would print a traceback for any other exception.
        raise SystemExit(f"csvpipe uploader: {error.detail}") from error
    return settings
