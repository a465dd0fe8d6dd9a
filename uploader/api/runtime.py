"""The running parts of the uploader that routes and middleware use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from contracts.spans import Spans
from uploader.access.authenticator import Authenticator
from uploader.access.signed_address import AddressSigner
from uploader.ingest.concurrency_limit import ConcurrencyLimit
from uploader.keys.key_service import KeyService
from uploader.monitoring.metrics_page import MetricsPage
from uploader.monitoring.readiness import Readiness
from uploader.monitoring.refusal_recorder import RefusalRecorder
from uploader.reading.service import ReadingService
from uploader.resumable.forwarding import Forwarder
from uploader.resumable.service import ResumableUploads
from uploader.runtime.blocking_pool import BlockingPool
from uploader.settings import Settings
from uploader.store.store import Store
from uploader.uploads.acceptance import Acceptance
from uploader.uploads.datasets import DatasetService
from uploader.uploads.key_limits import KeyLimits
from uploader.uploads.service import UploadService
from uploader.uploads.upload_events import UploadEvents


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Everything that is open while the application runs (see :func:`uploader.assembly.open_runtime`)."""

    settings: Settings
    store: Store
    authenticator: Authenticator
    keys: KeyService
    service: UploadService
    reading: ReadingService
    datasets: DatasetService
    events: UploadEvents
    acceptance: Acceptance
    resumables: ResumableUploads
    forwarder: Forwarder
    refusals: RefusalRecorder
    readiness: Readiness
    metrics_page: MetricsPage
    spans: Spans
    signer: AddressSigner
    concurrency_limit: ConcurrencyLimit
    preview_limit: ConcurrencyLimit
    """Bounds the bodies of previews in memory."""
    preview_threads: BlockingPool
    stream_limit: ConcurrencyLimit
    key_limits: KeyLimits
    upload_window_s: float
    """The window of the minimum upload rate."""
    clock: Callable[[], datetime]
    """Returns no time twice: the names of chunks contain it."""
    wake_outbox: Callable[[], None]
    """Makes the outbox publish immediately (from any thread)."""


def set_runtime(app: FastAPI, runtime: Runtime) -> None:
    """Store ``runtime`` in the state of ``app``."""
    app.state.runtime = runtime


def runtime_of(app: FastAPI) -> Runtime:
    """Return the runtime of an application that has started."""
    runtime: Runtime = app.state.runtime
    return runtime


async def _runtime(request: Request) -> Runtime:
    # As other dependencies, a coroutine: FastAPI calls functions in a thread.
    return runtime_of(request.app)


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
