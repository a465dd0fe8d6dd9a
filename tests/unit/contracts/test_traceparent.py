from __future__ import annotations

import pytest

from contracts.spans import NoSpans
from contracts.traceparent import find_traceparent, parse_traceparent, trace_id_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("value", [VALID, VALID.encode(), f"00-{TRACE}-{SPAN}-00"])
def test_valid_value_is_kept(value: str | bytes) -> None:
    assert parse_traceparent(value) == (value.decode() if isinstance(value, bytes) else value)
    assert trace_id_of(VALID) == TRACE


@pytest.mark.parametrize("value", [f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_later_version_is_read_by_its_first_four_fields(value: str) -> None:
    assert parse_traceparent(value) == VALID


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "00",
        VALID.upper(),
        VALID + "-more",
        VALID + "\n",
        " " + VALID,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-\u0660\u0661",
        b"\xff\xfe",
    ],
)
def test_anything_else_is_passed_over(value: object) -> None:
    assert parse_traceparent(value) is None


def test_header_is_found_in_any_case() -> None:
    other = VALID.replace("4b", "4c")
    assert find_traceparent([("a", "b"), ("TraceParent", VALID)]) == VALID
    assert find_traceparent([("traceparent", VALID), ("traceparent", VALID)]) == VALID
    assert find_traceparent([("traceparent", VALID), ("traceparent", other)]) is None
    assert find_traceparent([("traceparent", VALID), ("traceparent", "x")]) is None
    assert find_traceparent([("a", VALID)]) is None


def test_without_tracing_the_parent_is_handed_on() -> None:
    spans = NoSpans()
    with spans.span("a", parent=VALID) as span, spans.span("b", parent="nonsense") as lost:
        span.set_attributes({"a": 1})
        assert (span.traceparent, lost.traceparent) == (VALID, None)
    spans.close()
