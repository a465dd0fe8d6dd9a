"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP.

The SDK's global provider and its ambient context are not used: they belong to whatever else traces in the process, as
Airflow does if it is configured to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import CsvPipeError
from contracts.spans import NO_ATTRIBUTES, Attributes, NoSpan, Span, SpanKind, tracing_as
from contracts.traceparent import TRACEPARENT, parse_traceparent
from telemetry.errors import TracingUnavailableError

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

_TIMEOUT_S = 3.0
"""How long an unavailable collector may delay the end of a process."""
_OWN_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")


def check_installed() -> None:
    """Check that the packages for tracing are installed.

    Raises:
        TracingUnavailableError: the SDK or the exporter is not installed.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace.export  # noqa: F401  asked for, not used
    except ImportError as error:
        raise TracingUnavailableError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but packages for tracing are missing ({error}): install "
            "csvpipe[tracing], or unset the variable"
        ) from error


def open_otlp(*, endpoint: str, service: str, timeout_s: float = _TIMEOUT_S) -> OtlpSpans:
    """Return spans of ``service`` that are sent to the collector at ``endpoint`` (``http://host:4318``).

    A thread sends them in batches. Spans that the collector does not accept are dropped, and the SDK logs it. The SDK's
    own variables apply as well: ``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``, and
    ``OTEL_EXPORTER_OTLP_TIMEOUT`` instead of ``timeout_s``.

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
    timeout = None if any(os.environ.get(name) for name in _OWN_TIMEOUTS) else timeout_s
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=timeout)
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
        """Return a span that is sent after the block."""
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
        span = OtlpSpan(started)
        try:
            with tracing_as(span.traceparent):
                yield span
        except Exception as error:
            _mark_failed(started, error)
            raise
        finally:
            started.end()

    def close(self) -> None:
        """Send the remaining spans and stop the thread."""
        self._provider.shutdown()


class OtlpSpan:
    """See :class:`contracts.spans.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """This span as the parent of others."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))


def _mark_failed(span: trace.Span, error: Exception) -> None:
    from opentelemetry.trace import Status, StatusCode

    # The code, not the traceback: messages may be long, and may contain an attacker's input.
    span.set_attribute("error.type", error.code if isinstance(error, CsvPipeError) else type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


def _context_of(parent: str | None) -> Context:
    """Return the SDK's context of ``parent``; an empty one, which starts a new trace, if that is not valid."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    valid = parse_traceparent(parent)
    return TraceContextTextMapPropagator().extract({TRACEPARENT: valid} if valid else {}, context=Context())
