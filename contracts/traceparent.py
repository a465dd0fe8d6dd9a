"""The W3C header ``traceparent`` (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from collections.abc import Iterable

TRACEPARENT = "traceparent"
"""Name of the HTTP header, of the Kafka header, of the key in a run's conf, and of NiFi's attribute."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


def parse_traceparent(value: object) -> str | None:
    """Return ``value`` (text or bytes) in the form of version 00, or None if it is not valid.

    A trace is an aid, never a reason to refuse a request, so an invalid value is ignored. Versions after 00 may append
    fields; the first four keep their meaning.
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return f"00-{trace_id}-{span_id}-{flags}"


def find_traceparent(headers: Iterable[tuple[str, object]]) -> str | None:
    """Return the valid ``traceparent`` of ``headers`` (name, value), or None if there is none or several differ."""
    found = {parse_traceparent(value) for name, value in headers if name.lower() == TRACEPARENT}
    return found.pop() if len(found) == 1 else None


def trace_id_of(traceparent: str) -> str:
    """Return the trace's id, 32 hex digits, of a valid ``traceparent``."""
    return traceparent.split("-")[1]
