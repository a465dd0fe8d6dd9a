"""The interface of trace spans. A service chooses its implementation when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from contracts.traceparent import parse_traceparent, trace_id_of

Attributes = Mapping[str, str | int | float | bool]
NO_ATTRIBUTES: Attributes = MappingProxyType({})

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


class SpanKind(Enum):
    """The role of a span in its trace, in OpenTelemetry's terms."""

    INTERNAL = "internal"
    SERVER = "server"
    PRODUCER = "producer"


class Span(Protocol):
    """One operation of a trace, while it runs."""

    @property
    def traceparent(self) -> str | None:
        """The ``traceparent`` for calls made on behalf of this operation."""

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""


class Spans(Protocol):
    """Creates spans."""

    def span(
        self,
        name: str,
        *,
        parent: str | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = NO_ATTRIBUTES,
        start_ns: int | None = None,
    ) -> AbstractContextManager[Span]:
        """Return a context manager with a span that ends with the block, and is an error if the block raises.

        Args:
            name: of the operation.
            parent: a ``traceparent``; without one, the span starts a new trace.
            kind: its role.
            attributes: known at the start.
            start_ns: nanoseconds since 1970, if the operation began before the block.
        """

    def close(self) -> None:
        """Send what has not been sent. Blocks for seconds at most; never raises if the collector is unavailable."""


class NoSpan:
    """Records nothing, and passes on the ``traceparent`` that it was given."""

    def __init__(self, parent: str | None) -> None:
        self.traceparent = parse_traceparent(parent)

    def set_attributes(self, attributes: Attributes) -> None:
        """Ignore ``attributes``."""


class NoSpans:
    """Tracing is off: see :class:`NoSpan`."""

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002  as in the protocol, here and below
        *,
        parent: str | None,
        kind: SpanKind = SpanKind.INTERNAL,  # noqa: ARG002
        attributes: Attributes = NO_ATTRIBUTES,  # noqa: ARG002
        start_ns: int | None = None,  # noqa: ARG002
    ) -> Iterator[NoSpan]:
        """Return a span that is not recorded."""
        span = NoSpan(parent)
        with tracing_as(span.traceparent):
            yield span

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def tracing_as(traceparent: str | None) -> Iterator[None]:
    """Make ``traceparent`` the current one within the block, in this thread or task; log records show its trace."""
    before = _traceparent.get()
    _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.set(before)  # not by token: a block of ASGI may end in another context than it began in


def current_trace_id() -> str | None:
    """Return the id of the current trace as 32 hex digits, or None outside a span and without a parent."""
    traceparent = _traceparent.get()
    return None if traceparent is None else trace_id_of(traceparent)
