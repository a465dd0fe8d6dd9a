"""Trace spans of chunk tasks. Disabled unless the environment names an OTLP endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.spans import Attributes, NoSpans, Span, Spans
from dags.modules.settings import ENV_OTLP_ENDPOINT
from dags.modules.task_log import task_logger

log = task_logger(__name__)

SERVICE = "csvpipe-dags"


@contextmanager
def task_span(name: str, upload_id: str, parent: str | None, *, start_ns: int | None = None) -> Iterator[Span]:
    """Open the span of a task. On exit it is sent; if the collector does not answer within seconds, it is dropped."""
    attributes: Attributes = {"csvpipe.upload_id": upload_id}
    spans = open_spans()
    try:
        with spans.span(name, parent=parent, attributes=attributes, start_ns=start_ns) as span:
            yield span
    finally:
        spans.close()


def open_spans(environ: Mapping[str, str] = os.environ) -> Spans:
    """Return the tracer. A missing package is logged and is not an error: data is more important than traces.

    Airflow's own OpenTelemetry support reads the same variable, so it can be set without these spans in mind.
    """
    endpoint = environ.get(ENV_OTLP_ENDPOINT, "").strip()
    if not endpoint:
        return NoSpans()
    try:
        from telemetry.errors import TracingUnavailableError
        from telemetry.otlp import open_otlp
    except ImportError as error:
        log.warning(
            "Tracing disabled: its packages are not installed in Airflow's environment",
            extra={"setting": ENV_OTLP_ENDPOINT, "error": str(error)},
        )
        return NoSpans()
    try:
        return open_otlp(endpoint=endpoint, service=SERVICE)
    except TracingUnavailableError as error:
        log.warning("Tracing disabled", extra={"error": error.detail})
        return NoSpans()
