"""Counters and histograms of the uploader. Counting never raises: no upload fails because of a metric."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import ParamSpec

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from contracts.errors import CsvPipeError
from contracts.names import BYTES_PER_MB
from uploader.access.errors import PermissionDeniedError, UnauthenticatedError
from uploader.errors import DatabaseFullError, DiskFullError, TooManyUploadsOfKeyError, UploadRateExceededError
from uploader.kafka.publisher import PublishResult
from uploader.monitoring.upload_outcome import ACCEPTED, FAILED, REPLAYED, UploadOutcome

UNKNOWN_ROUTE = "none"
"""The route label of requests to unknown paths: the path itself comes from the client, so its values are unlimited."""
_REFUSALS = (UnauthenticatedError, PermissionDeniedError, UploadRateExceededError, TooManyUploadsOfKeyError)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_S = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 300, 900)
_CHUNKING_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_PUBLISH_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LANDING_S = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_FILE_BYTES = tuple(size_mb * BYTES_PER_MB for size_mb in (1, 10, 50, 100, 500, 1024, 2048, 5120, 10240))
_log = logging.getLogger(__name__)
_P = ParamSpec("_P")


def _never_raises(count: Callable[_P, None]) -> Callable[_P, None]:
    @wraps(count)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception:  # noqa: BLE001  no error of the library may fail the work that is counted
            _log.exception("Metric not counted", extra={"metric": count.__name__})

    return guarded


class UploaderMetrics:
    """The counters and histograms of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # The library would add a second series to each one, with the start of the process.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        self._requests = Counter(
            "csvpipe_http_requests",
            "Answered requests, by route template",
            ["method", "route", "status"],
            registry=registry,
        )
        self._request_s = Histogram(
            "csvpipe_http_request_duration_seconds",
            "Time from the request's head to the end of the response",
            ["method", "route"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._uploads = Counter(
            "csvpipe_uploads",
            "Uploads by result: accepted, replayed, failed, or the error code",
            ["result"],
            registry=registry,
        )
        self._refused = Counter(
            "csvpipe_refused_requests",
            "Requests refused for their key or its limits (401, 403, 429), by error code",
            ["reason"],
            registry=registry,
        )
        self._bytes = Counter("csvpipe_upload_bytes", "Bytes of accepted files as sent", registry=registry)
        self._rows = Counter("csvpipe_upload_rows", "Data rows of accepted files", registry=registry)
        self._chunks = Counter("csvpipe_upload_chunks", "Chunks of accepted files", registry=registry)
        self._chunking_s = Histogram(
            "csvpipe_upload_chunking_duration_seconds",
            "Time to receive and chunk an accepted file, until its chunks are durable",
            buckets=_CHUNKING_S,
            registry=registry,
        )
        self._file_bytes = Histogram(
            "csvpipe_upload_file_size_bytes", "Sizes of accepted files", buckets=_FILE_BYTES, registry=registry
        )
        self._publish_s = Histogram(
            "csvpipe_publish_duration_seconds",
            "Time until Kafka acknowledged a batch of messages or the publish failed",
            buckets=_PUBLISH_S,
            registry=registry,
        )
        self._published = Counter(
            "csvpipe_published_messages",
            "Messages sent to Kafka: acknowledged, refused permanently, or failed and retried later",
            ["result"],
            registry=registry,
        )
        self._landing_s = Histogram(
            "csvpipe_chunk_landing_duration_seconds",
            "Time from a chunk's last announcement to its landing",
            buckets=_LANDING_S,
            registry=registry,
        )
        self._audit_log_failures = Counter(
            "csvpipe_audit_log_failures",
            "Audit records that could not be appended to AUDIT_LOG_FILE; the database has them",
            registry=registry,
        )
        # Series of alerts start at 0: a counter whose first sample is 1 has not increased.
        for result in (ACCEPTED, REPLAYED, FAILED, DiskFullError.code, DatabaseFullError.code):
            self._uploads.labels(result)
        for refusal in _REFUSALS:
            self._refused.labels(refusal.code)
        for result in ("acknowledged", "refused", "failed"):
            self._published.labels(result)

    @_never_raises
    def count_request(self, *, method: str, route: str | None, status: str, duration_s: float) -> None:
        """Count one response."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route or UNKNOWN_ROUTE, status).inc()
        self._request_s.labels(known, route or UNKNOWN_ROUTE).observe(duration_s)

    @_never_raises
    def count_refusal(self, reason: str) -> None:
        """Count one request that was refused with 401, 403 or 429."""
        self._refused.labels(reason).inc()

    @contextmanager
    def upload(self) -> Iterator[UploadOutcome]:
        """Count one upload when the context ends, successfully or not."""
        outcome = UploadOutcome()
        try:
            yield outcome
        except CsvPipeError as error:
            outcome.result = error.code
            raise
        except BaseException:
            outcome.result = FAILED
            raise
        finally:
            self._count_upload(outcome)

    @_never_raises
    def count_refused_upload(self, code: str) -> None:
        """Count one upload that is refused before all of it has arrived."""
        self._uploads.labels(code).inc()

    @_never_raises
    def _count_upload(self, outcome: UploadOutcome) -> None:
        self._uploads.labels(outcome.result).inc()
        if outcome.result != ACCEPTED or outcome.cut is None:
            return
        self._bytes.inc(outcome.cut.source_bytes)
        self._rows.inc(outcome.cut.row_count)
        self._chunks.inc(len(outcome.cut.chunks))
        self._chunking_s.observe(outcome.chunking_s)
        self._file_bytes.observe(outcome.cut.source_bytes)

    @_never_raises
    def count_publish(self, outcome: PublishResult, *, messages: int, duration_s: float) -> None:
        """Count one batch of messages."""
        acknowledged, refused = len(outcome.acknowledged), len(outcome.refused)
        self._publish_s.observe(duration_s)
        self._published.labels("acknowledged").inc(acknowledged)
        self._published.labels("refused").inc(refused)
        self._published.labels("failed").inc(messages - acknowledged - refused)

    @_never_raises
    def count_audit_log_failure(self) -> None:
        """Count one audit record that is not in the file."""
        self._audit_log_failures.inc()

    @_never_raises
    def count_landing(self, took: timedelta) -> None:
        """Count one chunk that has landed."""
        self._landing_s.observe(max(0.0, took.total_seconds()))
