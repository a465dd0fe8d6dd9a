"""Spans of a chunk run's tasks, in its messages' trace; off unless the environment names a collector."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.spans import Attributes, NoSpans, Span, Spans
from dags.modules.settings import ENV_OTLP_ENDPOINT

log = logging.getLogger(__name__)

SERVICE = "csvpipe-dags"


@contextmanager
def task_span(name: str, upload_id: str, parent: str | None, *, start_ns: int | None = None) -> Iterator[Span]:
    """Give the span of a task; it has been sent, or given up within seconds, when the block has ended."""
    attributes: Attributes = {"csvpipe.upload_id": upload_id}
    spans = open_spans()
    try:
        with spans.span(name, parent=parent, attributes=attributes, start_ns=start_ns) as span:
            yield span
    finally:
        spans.close()


def open_spans(environ: Mapping[str, str] = os.environ) -> Spans:
    """Return what makes spans. Missing packages are said in the log and no error: data goes before traces.

    Airflow's own OpenTelemetry reads the same variable, so it may be set by somebody who never asked for these spans.
    """
    endpoint = environ.get(ENV_OTLP_ENDPOINT, "").strip()
    if not endpoint:
        return NoSpans()
    try:
        from tracing.errors import TracingUnavailableError
        from tracing.otlp import open_otlp
    except ImportError as error:
        log.warning(
            "no spans: %s is set, and the package tracing is not beside the DAGs (%s)", ENV_OTLP_ENDPOINT, error
        )
        return NoSpans()
    try:
        return open_otlp(endpoint=endpoint, service=SERVICE)
    except TracingUnavailableError as error:
        log.warning("no spans: %s", error.detail)
        return NoSpans()
