"""Spans as the services use them; what exports them is chosen where a service is put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from contracts.traceparent import parse_traceparent

Attributes = Mapping[str, str | int | float | bool]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


class SpanKind(Enum):
    """What a span is to the trace, in OpenTelemetry's terms."""

    INTERNAL = "internal"
    SERVER = "server"
    PRODUCER = "producer"


class Span(Protocol):
    """One piece of work of a trace, while it is done."""

    @property
    def traceparent(self) -> str | None:
        """What those who are called on behalf of this work get as their ``traceparent``."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""


class Spans(Protocol):
    """Makes spans."""

    def span(
        self,
        name: str,
        *,
        parent: str | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = NO_ATTRIBUTES,
        start_ns: int | None = None,
    ) -> AbstractContextManager[Span]:
        """Give a span that ends with the block, and is an error where the block raises.

        It belongs to the trace of ``parent`` (a ``traceparent``); without one it begins a trace. ``start_ns`` (since
        1970) is for work that began earlier.
        """

    def close(self) -> None:
        """Send what has not been sent. Blocks for a moment, and never raises for a receiver that is away."""


class NoSpan:
    """Does nothing, and hands on the ``traceparent`` that came in."""

    def __init__(self, parent: str | None) -> None:
        self.traceparent = parse_traceparent(parent)

    def note(self, attributes: Attributes) -> None:
        """Forget ``attributes``."""


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
        """Give a span that nobody sees."""
        yield NoSpan(parent)

    def close(self) -> None:
        """Have nothing to send."""
