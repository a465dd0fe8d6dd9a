"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP.

The SDK's global provider and its ambient context are left alone: whoever else traces in the same process (Airflow
does, where it is told to) has both for himself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import CsvPipeError
from contracts.spans import NO_ATTRIBUTES, Attributes, NoSpan, Span, SpanKind
from contracts.traceparent import TRACEPARENT, parse_traceparent
from tracing.errors import TracingUnavailableError

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

_TIMEOUT_S = 3.0
"""How long a receiver that is away may hold up the end of a process."""


def check_installed() -> None:
    """Return if tracing has what it needs.

    Raises:
        TracingUnavailableError: the SDK or the exporter is not installed.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace.export  # noqa: F401  asked for, not used
    except ImportError as error:
        raise TracingUnavailableError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and tracing needs packages that are missing ({error}): install "
            "csvpipe[tracing], or leave the variable away"
        ) from error


def open_otlp(*, endpoint: str, service: str, timeout_s: float = _TIMEOUT_S) -> OtlpSpans:
    """Return spans of ``service`` that go to the collector at ``endpoint`` (``http://host:4318``).

    A thread sends them in batches. What the receiver does not take is dropped, and logged by the SDK. The SDK's own
    variables hold as well: ``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``.

    Raises:
        TracingUnavailableError: the SDK or the exporter is not installed.
    """
    check_installed()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or service})
    # At exit the owner closes: the SDK's own hook would run after the loggers are gone.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=timeout_s)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtlpSpans(provider)


class OtlpSpans:
    """See :class:`contracts.spans.Spans`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("csvpipe")

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = NO_ATTRIBUTES,
        start_ns: int | None = None,
    ) -> Iterator[Span]:
        """Give a span that is sent when the block ends."""
        from opentelemetry.trace import SpanKind as SdkKind

        started = self._tracer.start_span(
            name,
            context=_context_of(parent),
            kind=SdkKind[kind.name],
            attributes=dict(attributes),
            start_time=start_ns,
        )
        if not started.get_span_context().is_valid:  # OTEL_SDK_DISABLED
            yield NoSpan(parent)
            return
        try:
            yield OtlpSpan(started)
        except Exception as error:
            _mark_failed(started, error)
            raise
        finally:
            started.end()

    def close(self) -> None:
        """Send the rest and end the thread."""
        self._provider.shutdown()


class OtlpSpan:
    """See :class:`contracts.spans.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """This very span, as the parent of others."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))


def _mark_failed(span: trace.Span, error: Exception) -> None:
    from opentelemetry.trace import Status, StatusCode

    # The code and no traceback: a message of ours may be long, and an attacker's input may stand in it.
    span.set_attribute("error.type", error.code if isinstance(error, CsvPipeError) else type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


def _context_of(parent: str | None) -> Context:
    """Return what the SDK makes of ``parent``: an empty context, and so a new trace, where that is not valid."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    valid = parse_traceparent(parent)
    return TraceContextTextMapPropagator().extract({TRACEPARENT: valid} if valid else {}, context=Context())
